//! What is fuzzed: everything that reads bytes of strangers, each with what has to hold whatever they are.

mod answer;
mod config;
mod outputs;
mod request;
mod text;
mod web_file;

use tokio::runtime::Runtime;

use crate::house::{House, Served};

/// Panics where something is broken that has to hold.
pub type Target = fn(&[u8]);

/// All of them, by the names of their folders of the corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("answer", answer::answer),
    ("config", config::config),
    ("outputs", outputs::outputs),
    ("request", request::request),
    ("text", text::text),
    ("web_file", web_file::web_file),
];

/// An inventory that was read, served for as long as the process lives.
struct Server {
    runtime: Runtime,
    house: House,
    served: Served,
}

impl Server {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (house, served) = runtime.block_on(async {
            let house = House::polled().await;
            let served = house.serve().await;
            (house, served)
        });
        Self { runtime, house, served }
    }
}

/// Changes what is around it, wherever it is shown: by Unicode's lists, not by ours.
fn is_dangerous(character: char) -> bool {
    matches!(
        u32::from(character),
        0..=0x1f | 0x7f..=0x9f // controls
        | 0x61c | 0x200e | 0x200f | 0x202a..=0x202e | 0x2066..=0x2069 // directions
        | 0x200b..=0x200d | 0x2060..=0x2064 | 0xfeff // widths of nothing
        | 0x2028 | 0x2029 // ends of lines and paragraphs
        | 0xe000..=0xf8ff | 0xf_0000..=0x10_ffff // private use
        | 0xe_0000..=0xe_0fff // tags and selectors
    )
}
