//! What the log says of a poll: one event, one line.

use std::cell::RefCell;
use std::io::Write;

use keymuster::sim::Fault;
use serde_json::Value;

use crate::house::House;

thread_local! {
    // Every test has a thread of its own, and a log must be set for all of them at once.
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn take() -> Vec<Value> {
    let text = String::from_utf8(LINES.take()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")));
    lines.filter(|line: &Value| line["target"] == "keymuster::metrics::tally").collect()
}

#[tokio::test]
async fn a_poll_is_one_line_and_each_failed_list_another() {
    let subscriber = tracing_subscriber::fmt().json().with_writer(|| Lines).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let house = House::polled().await;
    let fine = take();
    assert_eq!(fine.len(), 2, "{fine:?}");
    assert!(fine.iter().all(|line| line["level"] == "INFO" && line["fields"]["message"] == "polled"));
    assert_eq!(fine[0]["fields"]["account"], "acme-den");
    assert_eq!(fine[0]["fields"]["complete"], 2);

    house.simulation.set_faults(Fault::parse_all("forbidden on /organization/projects/{project_id}/api_keys").unwrap());
    let reports = house.poll().await;
    let failed: Vec<String> =
        reports.iter().flat_map(|report| report.failures().filter_map(|(scope, _)| Some(scope?.to_string()))).collect();
    let told = take();
    let warned: Vec<&Value> =
        told.iter().filter(|line| line["fields"]["scope"].is_string()).map(|line| &line["fields"]).collect();
    let scopes: Vec<&str> = warned.iter().map(|fields| fields["scope"].as_str().unwrap()).collect();
    assert_eq!(scopes, failed, "each failed list once");
    assert!(scopes.len() > 3);
    for fields in warned {
        assert_eq!((&fields["provider"], &fields["account"]), (&"openai".into(), &"acme-openai".into()));
        assert!(fields["reason"].is_string() && fields["detail"].as_str().unwrap().len() > 5, "{fields}");
    }
    assert_eq!(told.len(), 2 + failed.len());
}
