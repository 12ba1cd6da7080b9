//! The listener's address, and what somebody has to know of it who sees no page and no handshake.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::web::Access;

/// How often the same trouble is told again.
const DAY: Duration = Duration::from_secs(86_400);

/// Every address of the machine is every IPv4 address on a machine that has no other ones.
///
/// # Errors
/// The address is not ours, or is taken.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if is_unsupported(&error) && address.ip() == Ipv6Addr::UNSPECIFIED => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

fn is_unsupported(error: &std::io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(Errno::AFNOSUPPORT.raw_os_error()) || code == Some(Errno::ADDRNOTAVAIL.raw_os_error())
}

/// At the start, and at each reload.
pub fn warn(config: &Config, access: &Access, clock: &Clock) {
    if config.web.is_open() {
        tracing::warn!("whoever reaches the listener's address can read everything: insecure = true in [web]");
    }
    warn_of_certificate(access, clock);
}

fn warn_of_certificate(access: &Access, clock: &Clock) {
    if let Some(trouble) = access.certificate_trouble(clock.now()) {
        tracing::warn!("{trouble}");
    }
}

/// Tells of a certificate that ends, every day as long as it does; a reload tells of it by itself.
pub async fn remind(mut shown: watch::Receiver<Access>, clock: Clock, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = shown.changed() => if changed.is_err() { return },
            () = sleep(DAY) => warn_of_certificate(&shown.borrow(), &clock),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;
    use std::process::Command;
    use std::sync::Arc;

    use super::*;

    /// What a listener shows whose certificate ends after so many days.
    fn shown(folder: &Path, days: &str) -> Access {
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=a"]);
        openssl.args(["-keyout", "key.pem", "-out", "cert.pem", "-days", days]).current_dir(folder);
        assert!(openssl.output().unwrap().status.success());
        std::fs::write(folder.join("web.yml"), "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n").unwrap();
        let file = folder.join("keymuster.toml");
        std::fs::write(&file, "[web]\nconfig_file = \"web.yml\"\n").unwrap();
        Access::new(&Config::load(&file, std::iter::empty()).unwrap().web, None).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_certificate_that_ends_is_told_once_a_day_and_no_more_when_it_is_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let subscriber = tracing_subscriber::fmt().with_writer(Arc::new(File::create(&log).unwrap())).finish();
        let _log = tracing::subscriber::set_default(subscriber);
        let told = || std::fs::read_to_string(&log).unwrap().matches("expires at").count();

        let (access, watched) = watch::channel(shown(folder.path(), "2"));
        let stop = CancellationToken::new();
        let reminder = tokio::spawn(remind(watched, Clock::system(), stop.clone()));
        sleep(DAY * 3 + DAY / 2).await;
        assert_eq!(told(), 3);
        access.send_replace(shown(folder.path(), "60"));
        sleep(DAY * 3).await;
        assert_eq!(told(), 3);
        stop.cancel();
        reminder.await.unwrap();
    }
}
