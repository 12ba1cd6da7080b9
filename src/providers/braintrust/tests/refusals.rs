//! Which refusals close a list, and what a person can do about the others.

use super::*;

#[test]
fn refusals_close_only_members_lists() {
    let by_header = member_list("u-2", Way::Header);
    let by_token = member_list("u-2", Way::Token);
    let own = member_list("u-me", Way::Header);
    let people = Asking::new(&account(&[]), &acme()).people();
    let exchange = by_token.grant.clone().unwrap().exchange;
    let later = |mut fetch: Fetch| {
        fetch.query.push((AFTER, "k".to_owned()));
        fetch
    };
    let forbidden = Ok(Next::Closed(ClosedReason::MemberForbidden));
    let not_found = Ok(Next::Closed(ClosedReason::MemberNotFound));
    for (fetch, status, expected) in [
        (&by_header, 403, forbidden.clone()),
        (&by_header, 404, not_found.clone()),
        (&by_header, 400, Err(Reason::UnexpectedStatus)),
        (&by_header, 401, Err(Reason::Auth)),
        (&by_token, 403, forbidden.clone()),
        (&by_token, 404, not_found),
        (&by_token, 401, Err(Reason::Auth)),
        (&later(by_header.clone()), 403, Err(Reason::Forbidden)),
        (&later(by_header.clone()), 404, Err(Reason::NotFound)),
        (&own, 403, Err(Reason::Forbidden)),
        (&own, 404, Err(Reason::NotFound)),
        (&people, 403, Err(Reason::Forbidden)),
        (&people, 404, Err(Reason::NotFound)),
        (&organization_list(), 403, Err(Reason::Forbidden)),
        (&organization_list(), 404, Err(Reason::NotFound)),
        (&organization_list(), 405, Err(Reason::NotFound)),
        (&exchange, 403, forbidden),
        (&exchange, 404, Err(Reason::NotFound)),
        (&exchange, 405, Err(Reason::NotFound)),
        (&exchange, 400, Err(Reason::UnexpectedStatus)),
        (&exchange, 200, Ok(Next::Done)),
        (&requests::whoami_as(&remote("u-2"), &Method::WhoAmI), 403, Err(Reason::Forbidden)),
        (&requests::whoami_as(&remote("u-2"), &Method::WhoAmI), 404, Err(Reason::NotFound)),
    ] {
        assert_eq!(reason(fetch, status), expected, "{} {status}", fetch.path);
    }
}

#[test]
fn refusals_say_what_a_person_can_do() {
    let (by_header, by_token) = (member_list("u-2", Way::Header), member_list("u-2", Way::Token));
    let whole = organization_list();
    for (fetch, status, told) in [
        (&by_header, 400, "cannot be impersonated"),
        (&by_token, 400, "cannot be impersonated"),
        (&by_header, 401, "check base_url"),
        (&by_token, 401, "check token_field"),
        (&whole, 401, "check base_url"),
    ] {
        let detail = end(fetch, status, "no").unwrap_err().detail;
        assert!(detail.contains(told), "{} {status}: {detail}", fetch.path);
    }
    assert_eq!(end(&whole, 400, "no").unwrap_err().detail, "status 400", "of no member");
}
