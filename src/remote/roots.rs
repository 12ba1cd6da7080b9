//! The certificates that servers have to be signed by.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::client::SetupError;

/// They are read once for all lines that are set up with them: the machine's are hundreds, and accounts may be many.
#[derive(Debug, Default)]
pub struct Roots(Mutex<BTreeMap<Option<PathBuf>, Arc<RootCertStore>>>);

impl Roots {
    /// Those of a CA file; the machine's where none is named.
    pub(super) fn of(&self, ca_file: Option<&Path>) -> Result<Arc<RootCertStore>, SetupError> {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named = ca_file.map(Path::to_owned);
        if let Some(roots) = read.get(&named) {
            return Ok(Arc::clone(roots));
        }
        let roots = Arc::new(match ca_file {
            Some(path) => of_file(path)?,
            None => of_machine()?,
        });
        read.insert(named, Arc::clone(&roots));
        Ok(roots)
    }
}

fn of_machine() -> Result<RootCertStore, SetupError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(SetupError::NoRoots) } else { Ok(roots) }
}

fn of_file(path: &Path) -> Result<RootCertStore, SetupError> {
    let mut roots = RootCertStore::empty();
    let wrong = |why: String| SetupError::CaFile { path: path.to_owned(), why };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| wrong("not a PEM file of certificates".to_owned()))?;
        roots.add(certificate).map_err(|_| wrong("holds a certificate that cannot be a root".to_owned()))?;
    }
    if roots.is_empty() {
        return Err(wrong("holds no certificate".to_owned()));
    }
    Ok(roots)
}
