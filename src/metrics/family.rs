//! From values to the library's types for one exposition. The only place that builds those by hand.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric as Sample, MetricFamily, MetricType};

use super::declared::{Metric, Type};

/// A metric and its values at one scrape, made anew each time: what is gone does not linger.
pub(super) struct Family {
    metric: &'static Metric,
    samples: Vec<Sample>,
}

impl Family {
    pub fn new(metric: &'static Metric) -> Self {
        Self { metric, samples: Vec::new() }
    }

    /// A metric without labels.
    pub fn single(metric: &'static Metric, value: f64) -> Self {
        let mut family = Self::new(metric);
        family.add([], value);
        family
    }

    /// Adds a series; the labels' values are in the order of the declaration.
    pub fn add<const N: usize>(&mut self, values: [&str; N], value: f64) {
        debug_assert_eq!(N, self.metric.labels.len(), "{}", self.metric.name);
        let labels = self.metric.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(value.to_owned());
            pair
        });
        let mut labels: Vec<LabelPair> = labels.collect();
        // As the library does with its own.
        labels.sort_by(|one, other| one.name().cmp(other.name()));
        let mut sample = Sample::from_label(labels);
        match self.metric.kind {
            Type::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                sample.set_counter(counter);
            }
            Type::Gauge | Type::Histogram => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                sample.set_gauge(gauge);
            }
        }
        self.samples.push(sample);
    }

    /// `None` where there is no series: the encoder takes no family without any.
    pub fn finish(self) -> Option<MetricFamily> {
        if self.samples.is_empty() {
            return None;
        }
        let mut family = MetricFamily::default();
        family.set_name(self.metric.name.to_owned());
        family.set_help(self.metric.help.to_owned());
        family.set_field_type(match self.metric.kind {
            Type::Counter => MetricType::COUNTER,
            Type::Gauge | Type::Histogram => MetricType::GAUGE,
        });
        family.set_metric(self.samples);
        Some(family)
    }
}
