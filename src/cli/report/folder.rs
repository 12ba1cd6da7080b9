//! The folder of a report: made beside its place, and put there when all of it is written.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;

use anyhow::Context;
use serde_json::{Map, Value};

use super::Part;
use crate::cli::exit::UsageError;
use crate::views::spreadsheet;

/// Lists every other file with its SHA-256, as `sha256sum -c` reads it.
pub const MANIFEST: &str = "SHA256SUMS";

/// A folder under way.
pub struct Folder {
    place: PathBuf,
    making: tempfile::TempDir,
    /// A line of the manifest for each file.
    sums: Mutex<Vec<String>>,
}

impl Folder {
    /// Begins one for that place.
    ///
    /// # Errors
    /// Something is there already, or nothing can be written beside it.
    pub fn beside(place: &Path) -> anyhow::Result<Self> {
        let taken = || UsageError(format!("{} is not empty: name a new folder with --out", place.display()));
        let is_taken = match fs::read_dir(place) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => place.symlink_metadata().is_ok(),
        };
        if is_taken {
            return Err(taken().into());
        }
        let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let making = tempfile::Builder::new()
            .prefix(".keymuster-report-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .with_context(|| format!("cannot write in {}", parent.display()))?;
        Ok(Self { place: place.to_owned(), making, sums: Mutex::default() })
    }

    /// Writes a table as CSV and as JSON.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn sheet(&self, part: &Part) -> anyhow::Result<()> {
        let mut csv = spreadsheet::writer(Vec::new());
        csv.write_record(&part.sheet.columns)?;
        for row in &part.sheet.rows {
            csv.write_record(row.iter().map(cell))?;
        }
        self.write(&format!("{}.csv", part.name), &csv.into_inner()?)?;
        let objects: Vec<Map<String, Value>> =
            part.sheet.rows.iter().map(|row| part.sheet.columns.iter().cloned().zip(row.iter().cloned()).collect()).collect();
        self.write(&format!("{}.json", part.name), &serde_json::to_vec_pretty(&objects)?)
    }

    /// Writes a file that its owner alone may read: it names people.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        let path = self.making.path().join(name);
        let written = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(content)?;
            file.sync_all()
        };
        written().with_context(|| format!("cannot write {name}"))?;
        let sum = digest(content);
        self.sums.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{sum}  {name}\n"));
        Ok(())
    }

    /// Writes the manifest and puts the folder in its place. Returns the manifest's own sum too.
    ///
    /// # Errors
    /// It cannot be written; nothing is left then.
    pub fn finish(self) -> anyhow::Result<(PathBuf, String)> {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner).concat();
        self.write(MANIFEST, sums.as_bytes())?;
        let sum = digest(sums.as_bytes());
        // An empty one may be there.
        let _ = fs::remove_dir(&self.place);
        fs::rename(self.making.path(), &self.place).with_context(|| format!("cannot make {}", self.place.display()))?;
        Ok((self.place, sum))
    }
}

/// SHA-256 in hexadecimal digits.
fn digest(content: &[u8]) -> String {
    ring::digest::digest(&ring::digest::SHA256, content).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value as a cell of a spreadsheet.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => spreadsheet::harmless(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
