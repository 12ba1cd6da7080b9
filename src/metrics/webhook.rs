//! What became of deliveries to the webhook, and what waits.

use std::sync::Mutex;

use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::declared::{WEBHOOK_DELIVERIES, WEBHOOK_LOOK_FAILURES, WEBHOOK_OLDEST, WEBHOOK_WAITING};
use super::family::Family;
use super::state::instant;
use crate::domain::{Time, closed_enum};
use crate::inventory::Waits;

closed_enum! {
    /// What came of an attempt, or of a delivery.
    DeliveryEnd {
        /// The receiver took it.
        Delivered = "delivered",
        /// It did not, and is asked again.
        Failed = "failed",
        /// It did not for so long that it is asked no more.
        GivenUp = "given_up",
    }
}

/// Counted from zero, whether or not there is a webhook.
#[derive(Debug)]
pub struct Webhook {
    deliveries: IntCounterVec,
    look_failures: IntCounter,
    waiting: IntGauge,
    oldest: Mutex<Option<Time>>,
}

impl Webhook {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let deliveries =
            IntCounterVec::new(Opts::new(WEBHOOK_DELIVERIES.name, WEBHOOK_DELIVERIES.help), WEBHOOK_DELIVERIES.labels)?;
        let look_failures = IntCounter::new(WEBHOOK_LOOK_FAILURES.name, WEBHOOK_LOOK_FAILURES.help)?;
        let waiting = IntGauge::new(WEBHOOK_WAITING.name, WEBHOOK_WAITING.help)?;
        registry.register(Box::new(deliveries.clone()))?;
        registry.register(Box::new(look_failures.clone()))?;
        registry.register(Box::new(waiting.clone()))?;
        for result in DeliveryEnd::ALL {
            deliveries.with_label_values(&[result.as_str()]);
        }
        Ok(Self { deliveries, look_failures, waiting, oldest: Mutex::default() })
    }

    /// Counts one.
    pub fn ended(&self, result: DeliveryEnd) {
        self.deliveries.with_label_values(&[result.as_str()]).inc();
    }

    /// What is new could not be found out, or what became of a delivery not be noted.
    pub fn look_failed(&self) {
        self.look_failures.inc();
    }

    /// What waits now.
    pub fn waits(&self, waits: Waits) {
        self.waiting.set(waits.deliveries.cast_signed());
        if let Ok(mut oldest) = self.oldest.lock() {
            *oldest = waits.oldest;
        }
    }

    pub(super) fn oldest(&self) -> Option<MetricFamily> {
        let oldest = self.oldest.lock().ok().and_then(|oldest| *oldest)?;
        Family::single(&WEBHOOK_OLDEST, instant(oldest)).finish()
    }
}
