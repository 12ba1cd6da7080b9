//! `[webhook]`: who is told of new findings and changes.

use std::path::PathBuf;

use crate::domain::{ChangeKind, Condition};
use crate::remote::{BaseUrl, ProxyUrl};

use super::accounts::{self, Surroundings};
use super::credential::{self, CredentialSource};
use super::reader::Section;
use super::secrets;
use super::values;

/// The name of the table.
pub(super) const TABLE: &str = "webhook";

const SECRET: credential::Names =
    credential::Names { what: "secret", file: "secret_file", systemd: "secret", remedy: secrets::RIGHT_WAY_OF_WEBHOOK };

/// `[webhook]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Where it is posted to. It holds no query: what stands there in such addresses is a secret.
    pub url: BaseUrl,
    /// From where the secret comes that deliveries are signed with.
    pub secret: CredentialSource,
    /// Conditions that are told when they begin.
    pub findings: Vec<Condition>,
    /// Changes that are told.
    pub changes: Vec<ChangeKind>,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The proxy to send through.
    pub proxy: Option<ProxyUrl>,
}

impl WebhookConfig {
    /// Reads a table that is there; what is wrong is reported, and `None` is returned where something is missing.
    pub(super) fn read(section: Section<'_>, around: &Surroundings<'_>) -> Option<Self> {
        if !section.has("url") {
            let message = format!("`{}` has no `url`", section.name());
            section.problem(section.place_of(""), message, "set it to the address that is posted to");
        }
        let url = section.get("url", accounts::base_url);
        let secret = credential::source(&section, &SECRET, around.folder, around.credentials_directory);
        let findings = values::words(&section, "findings", Condition::ALL, Condition::as_str);
        let findings = findings.unwrap_or_else(|| Condition::ALL.to_vec());
        let changes = values::words(&section, "changes", ChangeKind::ALL, ChangeKind::as_str).unwrap_or_else(worth_telling);
        if findings.is_empty() && changes.is_empty() {
            let message = format!("`{}` tells neither findings nor changes", section.name());
            section.problem(section.place_of("findings"), message, "leave one of the two lists out, or the whole table");
        }
        let ca_file = section.get("ca_file", values::path(around.folder)).or_else(|| around.ca_file.clone());
        let proxy = section.get("proxy", accounts::proxy).or_else(|| around.proxy.clone());
        section.finish();
        Some(Self { url: url?, secret: secret?, findings, changes, ca_file, proxy })
    }
}

/// All changes but two: that a key is missing is no claim yet, and what comes of it is told; and that keys became unmanaged is
/// what somebody has just said, in this config or by an acknowledgement.
fn worth_telling() -> Vec<ChangeKind> {
    let worth = |change: &ChangeKind| match change {
        ChangeKind::BecameMissing | ChangeKind::BecameUnmanaged => false,
        ChangeKind::Appeared
        | ChangeKind::BecameGone
        | ChangeKind::Returned
        | ChangeKind::BecameUnknown
        | ChangeKind::Renamed
        | ChangeKind::Moved
        | ChangeKind::OwnerChanged
        | ChangeKind::OwnerAccessChanged
        | ChangeKind::ExpiryChanged
        | ChangeKind::Disabled
        | ChangeKind::Enabled
        | ChangeKind::LastUseWentBack
        | ChangeKind::Recreated => true,
    };
    ChangeKind::ALL.iter().copied().filter(worth).collect()
}
