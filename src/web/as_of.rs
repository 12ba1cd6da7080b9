//! Pages and files as of an earlier instant: what is asked, what is refused, and what stands at their top.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::frame::{Frame, Tab};
use super::look_back::NoLook;
use super::query::Query;
use super::{Around, Site, owners, parameters, plain, unreadable};
use crate::domain::{Text, Time};
use crate::inventory::StoreError;
use crate::views::shown::Instant;
use crate::views::{AsOf, LEFT_OUT, LookedBack, Order, Views, cannot_tell, not_yet_read};

/// In the address of what keeps it.
pub(super) const NAME: &str = "as_of";

/// What stands at the top of a page that looks back.
#[derive(Debug)]
pub(super) struct Banner {
    pub at: Instant,
    /// What no look back tells, and of which accounts there is nothing.
    pub left_out: Vec<String>,
    /// The same page as of now.
    pub now: String,
}

/// The read model that a page shows.
pub(super) enum Shown {
    Now(Views),
    Then(Arc<LookedBack>, Time),
}

impl Shown {
    pub fn views(&self) -> &Views {
        match self {
            Self::Now(views) => views,
            Self::Then(back, _) => &back.views,
        }
    }

    /// By which it is told how long ago something was.
    pub fn now(&self) -> Time {
        self.views().clock().now()
    }

    /// For the top of the page; `now` is where the same is shown as it is.
    pub fn banner(&self, now: String) -> Option<Banner> {
        let Self::Then(back, to) = self else { return None };
        let sentence = |text: &str| {
            let mut text = text.to_owned();
            if let Some(first) = text.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            text + "."
        };
        let not_yet = back.not_yet.iter().map(|account| sentence(&not_yet_read(account)));
        Some(Banner { at: Instant::new(*to, *to), left_out: std::iter::once(sentence(LEFT_OUT)).chain(not_yet).collect(), now })
    }
}

/// Why it is not shown.
pub(super) enum Refused {
    /// As of today is as of now.
    Today,
    /// It cannot be asked, in a sentence.
    Wrong(String),
    /// Somebody else's look is being made.
    Busy,
    /// The disk is too full.
    NoRoom,
    Unreadable(StoreError),
}

impl Site {
    /// What is to be shown: as it is, or as it was.
    pub async fn shown(&self, as_of: Option<AsOf>) -> Result<Shown, Refused> {
        let views = &self.app.views;
        let Some(as_of) = as_of else { return Ok(Shown::Now(views.clone())) };
        let now = views.clock().now();
        let to = as_of.instant(now).map_err(|ahead| Refused::Wrong(format!("The parameter “{NAME}”: {ahead}.")))?;
        if to == now {
            return Err(Refused::Today);
        }
        match self.look_backs.look(views, to).await {
            Ok(back) => Ok(Shown::Then(back, to)),
            Err(NoLook::Busy) => Err(Refused::Busy),
            Err(NoLook::Failed(StoreError::BeforeHistory { asked, since, .. })) => Err(Refused::Wrong(match since {
                Some(since) => format!("How it was at {asked}, nobody can tell: history goes back to {since}."),
                None => format!("How it was at {asked}, nobody can tell: nothing was read yet."),
            })),
            Err(NoLook::Failed(error @ StoreError::NoRoom { .. })) => {
                tracing::error!(%error, "nobody can look back");
                Err(Refused::NoRoom)
            }
            Err(NoLook::Failed(error)) => Err(Refused::Unreadable(error)),
        }
    }

    /// The answer instead of a page. `now` is the address of the same as it is.
    pub fn not_shown(&self, around: &Around, tab: Tab, refused: Refused, now: &str) -> Response {
        match refused {
            Refused::Today => Redirect::to(now).into_response(),
            Refused::Wrong(sentence) => self.wrong(around, tab, sentence),
            Refused::Busy => {
                let page = self.refuse(around, tab, StatusCode::SERVICE_UNAVAILABLE, "Others are looking back", BUSY.to_owned());
                ([(header::RETRY_AFTER, RETRY_AFTER)], page).into_response()
            }
            Refused::NoRoom => {
                self.refuse(around, tab, StatusCode::SERVICE_UNAVAILABLE, "No room to look back", NO_ROOM.to_owned())
            }
            Refused::Unreadable(error) => unreadable(&error),
        }
    }
}

const BUSY: &str = "Another look back is being made, and there is one at a time. Try again in a moment.";
const NO_ROOM: &str = "Looking back takes a copy of the inventory, and the disk is too full for it.";
const RETRY_AFTER: &str = "10";

impl Refused {
    /// The answer instead of a file.
    pub fn instead_of_file(self, now: &str) -> Response {
        match self {
            Self::Today => Redirect::to(now).into_response(),
            Self::Wrong(sentence) => (StatusCode::BAD_REQUEST, format!("{sentence}\n")).into_response(),
            Self::Busy => {
                let busy = "another look back is being made, and there is one at a time; try again in a moment\n";
                ([(header::RETRY_AFTER, RETRY_AFTER)], plain(StatusCode::SERVICE_UNAVAILABLE, busy)).into_response()
            }
            Self::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, format!("{NO_ROOM}\n")).into_response(),
            Self::Unreadable(error) => unreadable(&error),
        }
    }
}

impl Site {
    /// The same for keys, some of which no look back can tell.
    pub async fn keys_shown(&self, query: &Query) -> Result<Shown, Refused> {
        query.refused_then()?;
        // Names that are not there now were not there then: no copy is made to find that out.
        if query.as_of.is_some()
            && let Some(sentence) = self.words().await.map_err(Refused::Unreadable)?.refusal(query)
        {
            return Err(Refused::Wrong(sentence));
        }
        self.shown(query.as_of).await
    }
}

impl Query {
    fn refused_then(&self) -> Result<(), Refused> {
        if self.as_of.is_none() {
            return Ok(());
        }
        let conditions: Vec<_> = self.conditions.iter().copied().collect();
        let kept_without = |what: &str| format!("{what}: it is kept without history");
        let sorted = (self.sort.by == Order::LastUse).then(|| kept_without("order by last use"));
        let held = self.held.map(|_| kept_without("tell what was held"));
        let calm = (self.flagged == Some(false))
            .then(|| "tell what was in no condition: last use, and stale with it, is kept without history".to_owned());
        let what =
            cannot_tell(&conditions, self.last_used).or_else(|| sorted.or(held).or(calm).map(|what| format!("cannot {what}")));
        what.map_or(Ok(()), |what| Err(Refused::Wrong(format!("A look back {what}."))))
    }

    /// The same as it is.
    pub fn as_it_is(&self) -> Self {
        Self { as_of: None, page: 0, ..self.clone() }
    }
}

impl Frame {
    /// Makes it one of a page that looks back: what is told of now, is left out, and tabs that can look back do.
    pub fn looking_back(mut self, banner: Option<Banner>, as_of: Option<AsOf>) -> Self {
        let (Some(banner), Some(as_of)) = (banner, as_of) else { return self };
        let written = written(as_of);
        for link in self.links.iter_mut().filter(|link| [super::keys::PATH, owners::PATH].contains(&&*link.path)) {
            link.path = parameters::address(&link.path, [(NAME, written.as_str())].into_iter());
        }
        self.refresh = None;
        self.unseen.clear();
        self.unseen_beyond = 0;
        self.banner = Some(banner);
        self
    }
}

/// As it stands in an address.
pub(super) fn written(as_of: AsOf) -> String {
    match as_of {
        AsOf::Day(begins) => day(begins),
        AsOf::At(at) => at.to_string(),
    }
}

/// The value of a field for days, and the last day that it takes.
#[derive(Debug)]
pub(super) struct DayField {
    /// An instant fits into no field for days.
    pub is_day: bool,
    pub value: String,
    pub today: String,
}

impl DayField {
    pub fn new(as_of: Option<AsOf>, now: Time) -> Self {
        Self { is_day: !matches!(as_of, Some(AsOf::At(_))), value: as_of.map(written).unwrap_or_default(), today: day(now) }
    }
}

fn day(at: Time) -> String {
    at.to_string().chars().take(10).collect()
}

pub(super) fn parse(name: impl parameters::Name, value: &str) -> Result<AsOf, parameters::Wrong> {
    let instead = "a day (2026-11-01, which means its end) or an instant (2026-11-01T08:00:00Z)";
    AsOf::parse(Text::clean(value).as_str()).map_err(|_| parameters::wrong(name, value, instead))
}
