//! What can go wrong in Braintrust's own ways, and how people write it.

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sim) enum Quirk {
    HeaderDropped,
    HeaderDroppedEmpty,
    ImpersonationRefused,
    OrganizationList(Spoilt),
    TokenExchange(Shape),
    TokenOfCaller,
    SelfByGet,
    PageCap(usize),
    OverlappingPages,
}

/// What is wrong with the list of all keys of an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) enum Spoilt {
    Missing,
    Empty,
    WithoutCaller,
}

/// Where the answer of a token exchange holds the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sim) enum Shape {
    /// Names of fields, the outermost first.
    Field(Vec<String>),
    Bare,
    Text,
    Html,
}

pub(in crate::sim) fn organization_list(argument: &str) -> Option<Quirk> {
    let spoilt = match argument {
        "" | "missing" => Spoilt::Missing,
        "empty" => Spoilt::Empty,
        "without_caller" => Spoilt::WithoutCaller,
        _ => return None,
    };
    Some(Quirk::OrganizationList(spoilt))
}

pub(in crate::sim) fn token_exchange(argument: &str) -> Option<Quirk> {
    let shape = match argument {
        "" => Shape::Field(vec!["token".to_owned()]),
        "bare" => Shape::Bare,
        "text" => Shape::Text,
        "html" => Shape::Html,
        path => {
            let names: Vec<String> = path.split('.').map(str::to_owned).collect();
            let good = |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            return names.iter().all(good).then_some(Quirk::TokenExchange(Shape::Field(names)));
        }
    };
    Some(Quirk::TokenExchange(shape))
}

/// All that goes wrong with one request.
#[derive(Debug, Clone, Default)]
pub(in crate::sim) struct Quirks(pub(in crate::sim) Vec<Quirk>);

impl Quirks {
    pub(super) fn has(&self, quirk: &Quirk) -> bool {
        self.0.contains(quirk)
    }

    pub(super) fn page_cap(&self) -> Option<usize> {
        self.0.iter().find_map(|quirk| if let Quirk::PageCap(cap) = quirk { Some(*cap) } else { None })
    }

    pub(super) fn organization_list(&self) -> Option<Spoilt> {
        self.0.iter().find_map(|quirk| if let Quirk::OrganizationList(spoilt) = quirk { Some(*spoilt) } else { None })
    }

    pub(super) fn token_exchange(&self) -> Option<&Shape> {
        self.0.iter().find_map(|quirk| if let Quirk::TokenExchange(shape) = quirk { Some(shape) } else { None })
    }
}
