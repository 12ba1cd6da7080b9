//! Every metric, declared once in [`declared`] and gathered at each scrape: what is, from the views; what happened, from
//! the tally. A scrape causes no write and no request, and no SQL where nothing changed since the last one.

pub mod declared;
mod family;
mod lines;
mod per_key;
mod process;
mod state;
mod tally;
mod webhook;

use std::path::Path;
use std::sync::Arc;

use prometheus::TextEncoder;
use prometheus::proto::MetricFamily;

use crate::config::Metrics;
use crate::domain::Time;
use crate::inventory::{StoreError, beside};
use crate::views::Views;
use declared::{BUILD_INFO, FILE_SIZE, RECOUNTS, WEB_CERTIFICATE_EXPIRY};
use family::Family;
use per_key::PerKeySeries;
pub use tally::Tally;
pub use webhook::{DeliveryEnd, Webhook};

/// The content type of [`Exposition::text`]: Prometheus 3 refuses a blank or unknown one.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Why there is no exposition.
#[derive(Debug, thiserror::Error)]
pub enum ExpositionError {
    /// The inventory could not be read: no counts are better than old ones.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The metrics could not be written as text.
    #[error("metrics: {0}")]
    Text(#[from] prometheus::Error),
}

/// Everything that is exported. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Exposition {
    views: Views,
    tally: Arc<Tally>,
    settings: Metrics,
    started: Time,
}

impl Exposition {
    /// Make it when the process starts: that instant is its `process_start_time_seconds`.
    pub fn new(views: Views, tally: Arc<Tally>, settings: Metrics) -> Self {
        let started = views.clock().now();
        Self { views, tally, settings, started }
    }

    /// The text of one scrape, in the format that [`CONTENT_TYPE`] names. `certificate_ends` is of what the listener shows now;
    /// `None` where it speaks in clear.
    ///
    /// # Errors
    /// The inventory cannot be read.
    pub async fn text(&self, certificate_ends: Option<Time>) -> Result<String, ExpositionError> {
        let counts = self.views.counts().await?;
        let mut families = state::families(&self.views.accounts(), &counts, self.views.clock().now());
        let per_key = PerKeySeries::of(&self.views, &self.settings, &counts).await?;
        families.extend(self.inventory());
        let certificate = certificate_ends.map(|ends| Family::single(&WEB_CERTIFICATE_EXPIRY, state::instant(ends)));
        families.extend(certificate.and_then(Family::finish));
        families.extend(self.tally.webhook.oldest());
        families.extend(self.tally.registry.gather());
        families.extend(process::families(self.started));
        families.sort_by(|one, other| one.name().cmp(other.name()));
        let (before, behind) = families.split_at(families.partition_point(|family| family.name() < per_key::NAMES));
        let mut text = TextEncoder::new().encode_to_string(before)?;
        if let Some(per_key) = per_key {
            per_key.write(&mut text);
        }
        TextEncoder::new().encode_utf8(behind, &mut text)?;
        Ok(text)
    }

    /// What the file and the program are.
    fn inventory(&self) -> impl Iterator<Item = MetricFamily> {
        let mut sizes = Family::new(&FILE_SIZE);
        sizes.add(["main"], size(self.views.path()));
        sizes.add(["wal"], size(&beside(self.views.path(), "-wal")));
        let recounts = Family::single(&RECOUNTS, state::number(self.views.recounts()));
        let mut build = Family::new(&BUILD_INFO);
        build.add([env!("CARGO_PKG_VERSION")], 1.0);
        [sizes, recounts, build].into_iter().filter_map(Family::finish)
    }
}

/// Bytes of a file; none where there is no such file.
fn size(path: &Path) -> f64 {
    std::fs::metadata(path).map_or(0.0, |file| state::number(file.len()))
}
