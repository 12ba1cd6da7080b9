//! Every metric, declared once: name, type, labels and help. Nothing else names a metric.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Type,
    /// Its labels in order.
    pub labels: &'static [&'static str],
    /// What it says, one sentence or a few.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($id:ident = $kind:ident $name:literal [$($label:ident)*] $help:literal;)+) => {
        $(pub(super) static $id: Metric =
            Metric { name: $name, kind: Type::$kind, labels: &[$(stringify!($label)),*], help: $help };)+

        /// All of them, in the order in which they are documented.
        pub static ALL: &[&Metric] = &[$(&$id),+];
    };
}

metrics! {
    KEYS = Gauge "keymuster_keys" [provider account kind presence]
        "Keys ever listed, until retention. Presences are disjoint.";
    FLAGGED_KEYS = Gauge "keymuster_flagged_keys" [provider account kind condition]
        "Keys in a condition as of now, without waived ones. A key may be in several: do not add conditions up.";
    STALE_KEYS = Gauge "keymuster_stale_keys" [provider account basis]
        "Stale keys without waived ones, by what that rests on; age means that the provider does not report use.";
    WAIVED_KEYS = Gauge "keymuster_waived_keys" [provider account condition]
        "Keys in a condition that a waiver accepts for now.";
    NEXT_WAIVER_END = Gauge "keymuster_next_waiver_end_timestamp_seconds" [provider account]
        "When the first of the keys in a condition that a waiver accepts will count again.";
    CONDITION_SUPPORTED = Gauge "keymuster_condition_supported" [provider account condition]
        "1 if the provider tells enough for the condition to be claimed; 0 means that it does not say.";
    NEXT_EXPIRY = Gauge "keymuster_next_expiry_timestamp_seconds" [provider account]
        "The earliest expiry still ahead among keys that may be there.";
    NEXT_EXPIRING = Gauge "keymuster_next_flagged_expiry_timestamp_seconds" [provider account]
        "The earliest expiry still ahead among keys in the condition expiring, without waived ones.";
    OLDEST_KEY = Gauge "keymuster_oldest_key_created_timestamp_seconds" [provider account]
        "When the oldest key that may be there was made.";
    NEW_ADMIN_KEY = Gauge "keymuster_new_admin_key_timestamp_seconds" [provider account]
        "When an admin key was last seen that was not there before: new, returned, made anew, or only now known for one.";
    ACCOUNT_INFO = Gauge "keymuster_account_info" [provider account organization]
        "Always 1. The id of the organisation that the account sees; empty until known or where the provider does not tell.";
    ACCOUNT_UP = Gauge "keymuster_account_up" [provider account]
        "1 if every scope that the last poll opened ended complete or closed; 0 until the first poll ended.";
    LAST_COMPLETE_POLL = Gauge "keymuster_last_complete_poll_timestamp_seconds" [provider account]
        "Everything was read since then, in one poll or several; 0 until it was: counts mean nothing yet.";
    LAST_POLL = Gauge "keymuster_last_poll_timestamp_seconds" [provider account]
        "When the newest poll that ended began; 0 for never.";
    LAST_POLL_FAILURE = Gauge "keymuster_last_poll_failure" [provider account reason]
        "Always 1. Why the newest poll that ended did not read everything: of its first failure; no series if it did.";
    STALE_BEFORE = Gauge "keymuster_data_stale_before_timestamp_seconds" [provider account]
        "Three polls have come due since then, by the schedule: an older last complete poll is stale.";
    POLL_INTERVAL = Gauge "keymuster_poll_interval_seconds" [provider account]
        "The shortest time between two polls of the schedule.";
    SCOPES = Gauge "keymuster_scopes" [provider account state]
        "Lists that are read, each once, by its newest walk.";
    HELD_KEYS = Gauge "keymuster_held_keys" [provider account]
        "Keys whose disappearance waits for a person, because too much changed at once.";
    CHANGES = Counter "keymuster_changes_total" [provider account kind change]
        "Changes that polls of this process saw.";
    POLL_DURATION = Histogram "keymuster_poll_duration_seconds" [provider account]
        "How long polls took.";
    POLL_FAILURES = Counter "keymuster_poll_failures_total" [provider account reason]
        "Failures of polls: each list that was not read completely, and whatever hit a whole poll.";
    REQUESTS = Counter "keymuster_provider_requests_total" [provider account endpoint outcome]
        "Requests to the provider, each attempt once.";
    REQUEST_DURATION = Histogram "keymuster_provider_request_duration_seconds" [provider account endpoint]
        "How long requests took, without the wait for their turn.";
    CREDENTIAL_EXPIRY = Gauge "keymuster_credential_expiry_timestamp_seconds" [provider account]
        "When the credential that keymuster signs in with expires, as the provider tells, else as configured.";
    ITEMS_REFUSED = Counter "keymuster_items_refused_total" [provider account reason]
        "Elements of lists that broke the documented shape.";
    SECRET_LIKE_VALUES = Counter "keymuster_secret_like_values_total" [provider account reason]
        "Texts of the provider that looked like a secret and were replaced before they were stored.";
    KEY_INFO = Gauge "keymuster_key_info" [provider account key_id name owner kind]
        "Always 1. A key that has series of its own; see metrics.per_key in the config.";
    KEY_CREATED = Gauge "keymuster_key_created_timestamp_seconds" [provider account key_id]
        "When the key was made.";
    KEY_LAST_USED = Gauge "keymuster_key_last_used_timestamp_seconds" [provider account key_id]
        "When the key was last used, where the provider tells.";
    KEY_EXPIRY = Gauge "keymuster_key_expiry_timestamp_seconds" [provider account key_id]
        "When the key expires, where it does.";
    KEYS_DROPPED = Gauge "keymuster_key_series_dropped" []
        "Keys that have no series of their own because of metrics.per_key_limit; the most urgent have.";
    FILE_SIZE = Gauge "keymuster_inventory_file_size_bytes" [file]
        "Size of the database file and of its write-ahead log.";
    WRITE_FAILURES = Counter "keymuster_inventory_write_failures_total" []
        "Polls whose results could not be written.";
    RECOUNTS = Counter "keymuster_inventory_recounts_total" []
        "How often the counts were made anew: after a write, or when a deadline passed.";
    WEBHOOK_DELIVERIES = Counter "keymuster_webhook_deliveries_total" [result]
        "Attempts to post to the webhook that were taken or failed, and deliveries that were given up.";
    WEBHOOK_LOOK_FAILURES = Counter "keymuster_webhook_look_failures_total" []
        "How often it could not be found out what to tell the webhook, or not be noted what became of it.";
    WEBHOOK_WAITING = Gauge "keymuster_webhook_waiting" []
        "Deliveries to the webhook that wait to be taken.";
    WEBHOOK_OLDEST = Gauge "keymuster_webhook_oldest_waiting_timestamp_seconds" []
        "When the oldest delivery was made that waits to be taken; no series where none waits.";
    LAST_RELOAD = Gauge "keymuster_config_last_reload_successful" []
        "1 if the config in force is the one that was last read; 0 if that was refused.";
    WEB_CERTIFICATE_EXPIRY = Gauge "keymuster_web_certificate_expiry_timestamp_seconds" []
        "When the first of the certificates that the listener shows ends; no series where it speaks without TLS.";
    BUILD_INFO = Gauge "keymuster_build_info" [version]
        "Always 1. The version of the program.";
    CPU_SECONDS = Counter "process_cpu_seconds_total" []
        "CPU time of the process.";
    OPEN_FDS = Gauge "process_open_fds" []
        "Open file descriptors.";
    MAX_FDS = Gauge "process_max_fds" []
        "The most file descriptors that may be open.";
    VIRTUAL_MEMORY = Gauge "process_virtual_memory_bytes" []
        "Virtual memory.";
    RESIDENT_MEMORY = Gauge "process_resident_memory_bytes" []
        "Resident memory.";
    THREADS = Gauge "process_threads" []
        "Threads.";
    START_TIME = Gauge "process_start_time_seconds" []
        "When the process started.";
}
