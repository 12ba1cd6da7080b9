//! The charts of the overview: every bar is as long as its number says, and leads to as many keys; what is not known is no bar.

use keymuster::domain::Presence;
use keymuster::views::{Filter, KeysAsked};

use crate::house::House;
use crate::pages::walked;

/// The charts by their ids, as they stand in the page.
fn charts(page: &str) -> Vec<(String, &str)> {
    let parts = page.split("<figure").skip(1).map(|part| part.split("</figure>").next().unwrap());
    parts.map(|part| (part.split("<h3 id=\"").nth(1).unwrap().split('"').next().unwrap().to_owned(), part)).collect()
}

/// Addresses and numbers of the bars that have an address.
fn bars(chart: &str) -> Vec<(String, usize)> {
    let parts = chart.split("<a href=\"").skip(1).filter(|part| part.contains("<svg"));
    let bar = |part: &str| {
        let link = part.split('"').next().unwrap().replace("&#38;", "&");
        let number = part.split_once("<em class=\"unseen\">").unwrap().1.split(' ').next().unwrap();
        (link, number.replace(',', "").parse().unwrap())
    };
    parts.map(bar).collect()
}

/// The numbers of the table's column.
fn column(chart: &str, number: usize) -> Vec<String> {
    let rows = chart.split("<tr><th scope=\"row\">").skip(1);
    rows.map(|row| row.split("<td class=\"count\">").nth(number).unwrap().split('<').next().unwrap().replace(',', "")).collect()
}

#[tokio::test]
async fn every_bar_leads_to_as_many_keys_and_none_is_left_out() {
    let house = House::aged().await;
    let served = house.serve().await;
    let page = served.get("/").await;
    let may_be_there = vec![Presence::Present, Presence::Missing, Presence::Unknown];
    let filter = Filter { presences: may_be_there, ..Filter::default() };
    let all = house.views.keys(KeysAsked { filter, ..KeysAsked::default() }).await.unwrap();
    let charts = charts(page.body());
    assert_eq!(charts.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["expiries", "ages", "uses", "over"]);
    for (id, chart) in charts {
        let bars = bars(chart);
        assert!(bars.len() > 3, "{id}: {chart}");
        for (link, number) in &bars {
            assert_eq!(walked(&served, link).await.len(), *number, "{id}: {link}");
        }
        let sum: usize = bars.iter().map(|(_, number)| number).sum();
        let in_table: Vec<usize> = column(chart, 1).iter().filter_map(|cell| cell.parse().ok()).collect();
        assert_eq!(in_table.iter().sum::<usize>(), sum, "{id}: the table has the same numbers");
        match id.as_str() {
            "ages" | "uses" => assert_eq!(sum, all.len(), "{id}"),
            "over" => assert_eq!(bars.last(), Some(&(bars.last().unwrap().0.clone(), all.len()))),
            _ => assert!(sum < all.len()),
        }
    }
}

#[tokio::test]
async fn weeks_end_where_history_does() {
    let house = House::aged().await;
    let served = house.serve().await;
    let page = served.get("/").await;
    let (_, over) = charts(page.body()).pop().unwrap();
    let numbers = column(over, 1);
    let known: Vec<&String> = numbers.iter().filter(|cell| *cell != "not known").collect();
    assert!(numbers.len() == 12 && (6..12).contains(&known.len()), "{numbers:?}");
    assert!(known.iter().collect::<std::collections::BTreeSet<_>>().len() > 2, "something happened: {numbers:?}");
    assert!(over.contains("History goes back to 18 Nov 2026"), "{over}");
    let went: usize = column(over, 3).iter().filter_map(|cell| cell.parse::<usize>().ok()).sum();
    assert!(went > 5, "{over}");
    // What comes and goes is what the numbers at the ends of weeks differ by.
    let [keys, came, went] =
        [1, 2, 3].map(|number| column(over, number).iter().filter_map(|cell| cell.parse::<i64>().ok()).collect::<Vec<_>>());
    for week in 1..keys.len() {
        assert_eq!(keys[week] - keys[week - 1], came[week] - went[week], "week {week} of {over}");
    }
    let changes: usize =
        [2, 3, 4].iter().flat_map(|number| column(over, *number)).filter_map(|cell| cell.parse::<usize>().ok()).sum();
    assert_eq!(changes, house.views.changes(keymuster::views::ChangesAsked::default()).await.unwrap().len());

    // What retention removed is not known any more, and what is left is told as before.
    let since = house.clock.now().plus(-20 * 86_400).unix();
    house
        .inventory
        .write(move |transaction| {
            transaction.execute("DELETE FROM change WHERE at < ?1", [since])?;
            Ok(transaction.execute("UPDATE history SET whole_since = ?1", [since])?)
        })
        .await
        .unwrap();
    let page = served.get("/").await;
    let (_, over) = charts(page.body()).pop().unwrap();
    let left = column(over, 1);
    assert_eq!(left.iter().filter(|cell| *cell != "not known").count(), 3, "{left:?}");
    assert_eq!(left[9..], numbers[9..]);
}

#[tokio::test]
async fn where_nothing_was_read_there_is_no_chart() {
    let house = House::new("").await;
    let page = house.serve().await.get("/").await;
    assert!(page.body().contains("No key was read yet") && charts(page.body()).is_empty(), "{}", page.body());
}
