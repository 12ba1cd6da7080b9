//! Finds where one JSON value ends, across any cut of its bytes.
//!
//! Knows strings, brackets and their nesting, nothing else: whether the value is JSON is for its parser to say.

use memchr::memchr2;

use crate::domain::{Failure, Reason};

/// The deepest nesting that an answer may have, its outermost object included.
pub(super) const DEEPEST: u32 = 32;

/// The state of the scan of one value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    /// Open brackets, the innermost in the lowest bit: 1 is `{`, 0 is `[`.
    kinds: u32,
    depth: u32,
    deepest: u32,
    within: Within,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Structure,
    Text,
    /// Behind a backslash.
    Escape,
    /// A number, `true`, `false` or `null`: ends before the first byte that cannot belong to one.
    Word,
}

impl Default for Scan {
    /// At a composite value that lies within nothing.
    fn default() -> Self {
        Self { kinds: 0, depth: 0, deepest: DEEPEST, within: Within::Structure }
    }
}

impl Scan {
    /// Starts at the value's first byte, which `run` is then given too. `outside` is how many brackets are open around it.
    pub(super) fn start(first: u8, outside: u32) -> Result<Self, Failure> {
        let within = match first {
            b'{' | b'[' | b'"' => Within::Structure,
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => Within::Word,
            _ => return Err(Failure::new(Reason::Malformed, "a value begins with a byte that no JSON value begins with")),
        };
        Ok(Self { kinds: 0, depth: 0, deepest: DEEPEST - outside, within })
    }

    /// Reads on. `Some` is how many of these bytes still belong to the value, which is then over.
    pub(super) fn run(&mut self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        let mut at = 0;
        loop {
            let tail = &bytes[at..];
            match self.within {
                Within::Structure => {
                    let Some(found) = tail.iter().position(|b| STRUCTURE[usize::from(*b)]) else { return Ok(None) };
                    at += found + 1;
                    match tail[found] {
                        b'"' => self.within = Within::Text,
                        open @ (b'{' | b'[') => self.open(open == b'{')?,
                        close => {
                            self.close(close == b'}')?;
                            if self.depth == 0 {
                                return Ok(Some(at));
                            }
                        }
                    }
                }
                Within::Text => {
                    let Some(found) = memchr2(b'"', b'\\', tail) else { return Ok(None) };
                    at += found + 1;
                    if tail[found] == b'\\' {
                        self.within = Within::Escape;
                    } else {
                        self.within = Within::Structure;
                        if self.depth == 0 {
                            return Ok(Some(at));
                        }
                    }
                }
                Within::Escape => {
                    if tail.is_empty() {
                        return Ok(None);
                    }
                    at += 1;
                    self.within = Within::Text;
                }
                Within::Word => {
                    let end =
                        tail.iter().position(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.'));
                    return Ok(end);
                }
            }
        }
    }

    fn open(&mut self, object: bool) -> Result<(), Failure> {
        if self.depth == self.deepest {
            return Err(Failure::new(Reason::Malformed, format!("nested more than {DEEPEST} deep")));
        }
        self.depth += 1;
        self.kinds = self.kinds << 1 | u32::from(object);
        Ok(())
    }

    fn close(&mut self, object: bool) -> Result<(), Failure> {
        if self.depth == 0 || (self.kinds & 1 == 1) != object {
            return Err(Failure::new(Reason::Malformed, "a bracket closes what it did not open"));
        }
        self.depth -= 1;
        self.kinds >>= 1;
        Ok(())
    }
}

/// The bytes that mean something between strings.
const STRUCTURE: [bool; 256] = {
    let mut table = [false; 256];
    table[b'"' as usize] = true;
    table[b'{' as usize] = true;
    table[b'}' as usize] = true;
    table[b'[' as usize] = true;
    table[b']' as usize] = true;
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> Option<usize> {
        Scan::start(text.as_bytes()[0], 0).unwrap().run(text.as_bytes()).unwrap()
    }

    #[test]
    fn values_end_where_they_end() {
        for value in [r#"{"a":"}"}"#, r#"["\\",{}]"#, r#""\"]""#, r#"{"a":["[",{"b":"\\\""}]}"#, "-1.5e+7", "true"] {
            assert_eq!(end(&format!("{value},")), Some(value.len()), "{value}");
            assert_eq!(end(&value[..value.len() - 1]), None, "{value}");
        }
    }

    #[test]
    fn brackets_match_and_are_counted() {
        let run = |text: &str, outside| Scan::start(text.as_bytes()[0], outside).unwrap().run(text.as_bytes());
        assert_eq!(run("[}", 0).unwrap_err().reason, Reason::Malformed);
        assert_eq!(run("{\"a\":[1}", 0).unwrap_err().reason, Reason::Malformed);
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert_eq!(run(&deep(32), 0).unwrap(), Some(64));
        assert!(run(&deep(33), 0).is_err());
        assert_eq!(run(&deep(30), 2).unwrap(), Some(60));
        assert!(run(&deep(31), 2).is_err());
        assert!(run(&"[".repeat(1_000_000), 0).is_err());
    }
}
