//! Which way of listing an account would go, where its provider has several: one harmless request for each that is tried.

use crate::domain::{Failure, Reason, RemoteId};
use crate::providers::{Fetch, Item, Known, Method, Next, Proof, Way};
use crate::remote::Exchanged;
use crate::sync::Line;

/// Of so many members it is asked at most whether we may act as them: some of them nobody may.
const MEMBERS: usize = 3;

/// What a person has to do so that members' lists can be read.
const REMEDY: &str = "grant the Owner role of the organisation directly to the user whose key this is (being in its Owners \
    group may not be enough), and see that the user owns every organisation that the members are in";

/// The ways that do not do, and why, and the first that does, which the poll will go.
pub(super) async fn try_each(line: &Line, known: &mut Known) -> (Vec<(Way, Failure)>, Option<Way>) {
    let chosen = line.account.option("listing").and_then(|listing| listing.parse::<Way>().ok());
    let mut wanting = Vec::new();
    for way in line.provider.spec().ways.iter().copied().filter(|way| chosen.is_none_or(|chosen| chosen == *way)) {
        known.way = Some(way);
        match try_one(line, known, way).await {
            Ok(()) => return (wanting, Some(way)),
            Err(failure) => wanting.push((way, failure)),
        }
    }
    known.way = None;
    (wanting, None)
}

async fn try_one(line: &Line, known: &Known, way: Way) -> Result<(), Failure> {
    let planned: Vec<Fetch> =
        line.provider.plan(&line.account, known).into_iter().filter(|fetch| fetch.way == Some(way)).collect();
    match way {
        Way::Organization => match planned.first() {
            Some(list) => shows_ours(line, list, known).await,
            None => Err(Failure::new(Reason::NotFound, "this provider has no such list")),
        },
        Way::Header | Way::Token => acts_for_members(line, planned, known).await,
    }
}

/// Who owns nothing gets an empty list with 200, so that only the caller's own keys on it show that it is the list.
async fn shows_ours(line: &Line, list: &Fetch, known: &Known) -> Result<(), Failure> {
    let page = line.remote.ask(line.provider, list, known).await?;
    let own = known.own_keys.clone().unwrap_or_default();
    if own.is_empty() {
        let detail = "the list is trusted only where it shows the caller's own keys, and this credential's user has none of \
            this organisation; use the API key of a user";
        return Err(Failure::new(Reason::AttributionUnproven, detail));
    }
    let shown = page.items.iter().any(|item| matches!(item, Item::Key(key) if own.contains(&key.id)));
    // They may stand on a later page.
    if shown || (!page.items.is_empty() && page.end.next != Next::Done && page.elements >= 100) {
        return Ok(());
    }
    Err(Failure::new(Reason::AttributionUnproven, format!("the list does not show the caller's own keys; {REMEDY}")))
}

async fn acts_for_members(line: &Line, planned: Vec<Fetch>, known: &Known) -> Result<(), Failure> {
    let others = planned.into_iter().filter(|fetch| fetch.subject.proof == Proof::Impersonation);
    let mut refused = 0;
    for list in others.take(MEMBERS) {
        let Some(member) = list.subject.member.clone() else { continue };
        match acts_for(line, &list, &member, known).await {
            Ok(true) => return Ok(()),
            Ok(false) => refused += 1,
            Err(failure) if failure.reason == Reason::Forbidden => refused += 1,
            Err(failure) => return Err(failure),
        }
    }
    if refused == 0 {
        // Nobody else is there whose keys would have to be read so.
        return Ok(());
    }
    let detail = format!("the credential may act for none of the {refused} members that were tried; {REMEDY}");
    Err(Failure::new(Reason::ImpersonationNotPermitted, detail))
}

/// Whether the provider lets us act for the member.
async fn acts_for(line: &Line, list: &Fetch, member: &RemoteId, known: &Known) -> Result<bool, Failure> {
    if let Some(grant) = &list.grant {
        return Ok(matches!(line.remote.exchange(line.provider, grant, known).await?, Exchanged::Token(_)));
    }
    if let Some(question) = line.provider.identity(&line.account, known, member) {
        match line.remote.ask(line.provider, &question, known).await {
            Ok(page) => match page.end.learnt.caller {
                Some(caller) if caller == *member => return Ok(true),
                Some(_) => return Err(dropped()),
                None => {}
            },
            Err(failure) if matches!(failure.reason, Reason::NotFound | Reason::UnexpectedStatus) => {}
            Err(failure) => return Err(failure),
        }
    }
    let page = line.remote.ask(line.provider, list, known).await?;
    let owners = || page.items.iter().filter_map(|item| if let Item::Key(key) = item { key.owner.as_ref() } else { None });
    if owners().any(|owner| owner.id != *member) {
        return Err(dropped());
    }
    Ok(!matches!(page.end.next, Next::Closed(_)) && list.method == Method::Get)
}

fn dropped() -> Failure {
    let detail = "asked as a member, the provider answered for somebody else; see that no proxy on the way drops the header \
        x-bt-impersonate-user";
    Failure::new(Reason::AttributionMismatch, detail)
}
