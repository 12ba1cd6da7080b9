//! What the process gives up before it reads a secret: to be dumped, and to be looked into by others of its user.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// From here on no crash writes memory to a file, and no process but root's may read it.
///
/// # Errors
/// The system refused.
pub fn harden() -> std::io::Result<()> {
    // A handler that the kernel pipes dumps to heeds no limit; it gets none of a process that cannot be dumped.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
