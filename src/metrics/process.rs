//! What the process itself uses, from `/proc/self`: it works where a sandbox shows nothing else of `/proc`.

use prometheus::proto::MetricFamily;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::declared::{CPU_SECONDS, MAX_FDS, Metric, OPEN_FDS, RESIDENT_MEMORY, START_TIME, THREADS, VIRTUAL_MEMORY};
use super::family::Family;
use super::state::{instant, number};
use crate::domain::Time;

/// The families of the process; what the system does not tell has no series.
pub(super) fn families(started: Time) -> Vec<MetricFamily> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = std::time::Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap_or(0));
    // One of them is the handle that lists them.
    let open = std::fs::read_dir("/proc/self/fd").ok().map(|open| (open.count() as u64).saturating_sub(1));
    let values: [(&'static Metric, Option<f64>); 7] = [
        (&CPU_SECONDS, Some(cpu.as_secs_f64())),
        (&OPEN_FDS, open.map(number)),
        (&MAX_FDS, getrlimit(Resource::Nofile).current.map(number)),
        (&VIRTUAL_MEMORY, field(&status, "VmSize:").map(|kib| number(kib * 1024))),
        (&RESIDENT_MEMORY, field(&status, "VmRSS:").map(|kib| number(kib * 1024))),
        (&THREADS, field(&status, "Threads:").map(number)),
        (&START_TIME, Some(instant(started))),
    ];
    let families = values.into_iter().filter_map(|(metric, value)| Some(Family::single(metric, value?)));
    families.filter_map(Family::finish).collect()
}

/// The number of a line such as `VmRSS:     11264 kB`.
fn field(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}
