//! Cuts the elements of one list out of an answer as its bytes arrive, and keeps the rest.
//!
//! Strict about what lies around elements: commas, brackets, depth, sizes, one list. What lies within them and whether the
//! rest is JSON is for their parsers to say, so that no body is ever held whole.

use secrecy::zeroize::Zeroizing;

use crate::domain::{Failure, Reason};

use super::Limits;
use super::scan::Scan;

/// The splitter of one answer.
#[derive(Debug)]
pub(super) struct Elements {
    list: Option<&'static str>,
    most: u64,
    element_bytes: usize,
    rest_bytes: usize,
    at: At,
    scan: Scan,
    rest: Vec<u8>,
    /// Where the newest key of the outermost object begins in `rest`.
    key: usize,
    /// The newest key names the list.
    is_list: bool,
    /// The beginning of an element that lies across chunks.
    partial: Vec<u8>,
    count: Option<u64>,
}

/// An answer without the elements of its list.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Rest {
    /// The body with the list's array emptied; whitespace between tokens of the outermost object is gone.
    /// Wiped when it is dropped, because that of an exchange holds a token.
    pub rest: Zeroizing<Vec<u8>>,
    /// How many elements there were; `None` where the answer holds no such list.
    pub elements: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// No list is looked for: everything is rest.
    Whole,
    Start,
    FirstKey,
    NextKey,
    Key,
    Colon,
    Value,
    WithinValue,
    AfterValue,
    FirstElement,
    NextElement,
    WithinElement,
    AfterElement,
    End,
}

impl Elements {
    /// A splitter that looks for the array under that key of the outermost object.
    pub(super) fn new(list: Option<&'static str>, limits: &Limits) -> Self {
        Self {
            list,
            most: limits.items_per_answer,
            element_bytes: limits.element_bytes,
            rest_bytes: limits.rest_bytes,
            at: if list.is_some() { At::Start } else { At::Whole },
            scan: Scan::default(),
            rest: Vec::new(),
            key: 0,
            is_list: false,
            partial: Vec::new(),
            count: None,
        }
    }

    /// Reads on, and hands over each element that these bytes complete, with its index from 0.
    ///
    /// # Errors
    /// The answer breaks the shape or a limit, or `on_element` failed. Nothing more may be fed then.
    pub(super) fn feed(
        &mut self,
        chunk: &[u8],
        mut on_element: impl FnMut(u64, &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut tail = chunk;
        while let Some(&next) = tail.first() {
            match self.at {
                At::Whole => return self.keep(tail),
                At::Key | At::WithinValue => {
                    let Some(length) = self.scan.run(tail)? else { return self.keep(tail) };
                    self.keep(&tail[..length])?;
                    tail = &tail[length..];
                    self.at = if self.at == At::Key { self.end_key()? } else { At::AfterValue };
                }
                At::WithinElement => {
                    let Some(length) = self.scan.run(tail)? else { return self.hold(tail) };
                    let index = self.count.unwrap_or(0);
                    if self.partial.is_empty() {
                        self.check_size(length)?;
                        on_element(index, &tail[..length])?;
                    } else {
                        self.hold(&tail[..length])?;
                        on_element(index, &self.partial)?;
                        self.partial.clear();
                    }
                    self.count = Some(index + 1);
                    tail = &tail[length..];
                    self.at = At::AfterElement;
                }
                At::Start
                | At::FirstKey
                | At::NextKey
                | At::Colon
                | At::Value
                | At::AfterValue
                | At::FirstElement
                | At::NextElement
                | At::AfterElement
                | At::End => {
                    if matches!(next, b' ' | b'\n' | b'\r' | b'\t') || self.step(next)? {
                        tail = &tail[1..];
                    }
                }
            }
        }
        Ok(())
    }

    /// The end of the bytes.
    ///
    /// # Errors
    /// The answer is not over.
    pub(super) fn finish(self) -> Result<Rest, Failure> {
        match self.at {
            At::Whole | At::End => Ok(Rest { rest: Zeroizing::new(self.rest), elements: self.count }),
            At::Start => Err(malformed("the answer is empty")),
            At::FirstKey
            | At::NextKey
            | At::Key
            | At::Colon
            | At::Value
            | At::WithinValue
            | At::AfterValue
            | At::FirstElement
            | At::NextElement
            | At::WithinElement
            | At::AfterElement => Err(malformed("the answer is cut off")),
        }
    }

    /// One byte between values. True where it is used up, false where a value or key begins with it.
    fn step(&mut self, next: u8) -> Result<bool, Failure> {
        let (kept, then) = match (self.at, next) {
            (At::Start, b'{') => (true, At::FirstKey),
            (At::Start, _) => return Err(malformed("the answer is not a JSON object")),
            (At::FirstKey | At::NextKey, b'"') => {
                self.scan = Scan::start(next, 1)?;
                self.key = self.rest.len();
                self.at = At::Key;
                return Ok(false);
            }
            (At::FirstKey, b'}') | (At::AfterValue, b'}') => (true, At::End),
            (At::Colon, b':') => (true, At::Value),
            (At::Value, b'[') if self.is_list => {
                self.count = Some(0);
                (true, At::FirstElement)
            }
            (At::Value, _) if self.is_list => return Err(malformed(format!("{} is not a list", self.list.unwrap_or_default()))),
            (At::Value, _) => {
                self.scan = Scan::start(next, 1)?;
                self.at = At::WithinValue;
                return Ok(false);
            }
            (At::AfterValue, b',') => (true, At::NextKey),
            (At::FirstElement | At::AfterElement, b']') => (true, At::AfterValue),
            (At::AfterElement, b',') => (false, At::NextElement),
            (At::FirstElement | At::NextElement, _) => {
                if self.count.unwrap_or(0) >= self.most {
                    return Err(Failure::new(Reason::TooManyItems, format!("more than {} elements in one answer", self.most)));
                }
                self.scan = Scan::start(next, 2)?;
                self.at = At::WithinElement;
                return Ok(false);
            }
            (At::End, _) => return Err(malformed("the answer goes on behind its end")),
            (_, _) => return Err(malformed("a comma, colon or bracket is missing or misplaced")),
        };
        if kept {
            self.keep(&[next])?;
        }
        self.at = then;
        Ok(true)
    }

    /// A key of the outermost object is over: is it the list's, and for the first time?
    fn end_key(&mut self) -> Result<At, Failure> {
        let raw = &self.rest[self.key..];
        let is_list = if raw.contains(&b'\\') {
            let key: String = serde_json::from_slice(raw).map_err(|_| malformed("a key is not a JSON string"))?;
            Some(key.as_str()) == self.list
        } else {
            Some(&raw[1..raw.len() - 1]) == self.list.map(str::as_bytes)
        };
        if is_list && self.count.is_some() {
            return Err(malformed(format!("{} is there twice", self.list.unwrap_or_default())));
        }
        self.is_list = is_list;
        Ok(At::Colon)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.rest.len() + bytes.len() > self.rest_bytes {
            return Err(Failure::new(Reason::TooLarge, format!("more than {} bytes beside the list", self.rest_bytes)));
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.check_size(self.partial.len() + bytes.len())?;
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    fn check_size(&self, bytes: usize) -> Result<(), Failure> {
        if bytes > self.element_bytes {
            return Err(Failure::new(Reason::TooLarge, format!("an element of more than {} bytes", self.element_bytes)));
        }
        Ok(())
    }
}

fn malformed(detail: impl Into<String>) -> Failure {
    Failure::new(Reason::Malformed, detail)
}
