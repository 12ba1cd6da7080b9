//! Takes the pieces of a body as they come, unpacks them, and counts on both sides of the unpacking.
//!
//! gzip is unpacked here and not in the client, because the client has no cap on what comes out.

use std::io::{self, Write};

use flate2::write::GzDecoder;

use crate::domain::{Failure, Reason};

use super::Limits;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    Gzip,
}

/// The way of a body into `sink`, which is given the unpacked bytes in pieces of any size.
pub(super) struct Intake<S: FnMut(&[u8]) -> Result<(), Failure>> {
    way: Way<S>,
    wire: u64,
    most_wire: u64,
}

enum Way<S: FnMut(&[u8]) -> Result<(), Failure>> {
    Plain(Counted<S>),
    Gzip(Box<GzDecoder<Counted<S>>>),
}

/// The far end: counts, and keeps the failure that `Write` has no room for.
struct Counted<S> {
    sink: S,
    bytes: u64,
    most: u64,
    /// Until the sink refuses, or does not come back.
    open: bool,
    failure: Option<Failure>,
}

impl<S: FnMut(&[u8]) -> Result<(), Failure>> Intake<S> {
    pub(super) fn new(coding: Coding, limits: &Limits, sink: S) -> Self {
        let counted = Counted { sink, bytes: 0, most: limits.inflated_bytes, open: true, failure: None };
        let way = match coding {
            Coding::Plain => Way::Plain(counted),
            Coding::Gzip => Way::Gzip(Box::new(GzDecoder::new(counted))),
        };
        Self { way, wire: 0, most_wire: limits.wire_bytes }
    }

    /// Takes a piece as it came.
    ///
    /// # Errors
    /// `too_large` on either side, `malformed` where it is not gzip, or what the sink says. Nothing more may be fed then.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.wire += piece.len() as u64;
        if self.wire > self.most_wire {
            return Err(Failure::new(Reason::TooLarge, format!("more than {} bytes on the wire", self.most_wire)));
        }
        match &mut self.way {
            Way::Plain(counted) => counted.take(piece),
            Way::Gzip(decoder) => {
                let mut tail = piece;
                while !tail.is_empty() {
                    match decoder.write(tail) {
                        Ok(0) => return Err(broken("bytes behind the end of the gzip stream")),
                        Ok(taken) => tail = &tail[taken..],
                        Err(_) => {
                            return Err(decoder.get_ref().failure.clone().unwrap_or_else(|| broken("the gzip stream is broken")));
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// The end of the body; bytes that came.
    ///
    /// # Errors
    /// The packed stream is not over, or its checksum differs.
    pub(super) fn finish(mut self) -> Result<u64, Failure> {
        if let Way::Gzip(decoder) = &mut self.way
            && decoder.try_finish().is_err()
        {
            let failure = decoder.get_ref().failure.clone();
            return Err(failure.unwrap_or_else(|| broken("the gzip stream is cut off or its checksum differs")));
        }
        Ok(self.wire)
    }
}

impl<S: FnMut(&[u8]) -> Result<(), Failure>> Counted<S> {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.most {
            return Err(Failure::new(Reason::TooLarge, format!("more than {} bytes unpacked", self.most)));
        }
        (self.sink)(bytes)
    }
}

impl<S: FnMut(&[u8]) -> Result<(), Failure>> Write for Counted<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The decoder tries once more when it is dropped, also where a bug of the sink unwinds: a second panic ends the process.
        if !std::mem::replace(&mut self.open, false) {
            return Err(io::ErrorKind::Other.into());
        }
        match self.take(bytes) {
            Ok(()) => {
                self.open = true;
                Ok(bytes.len())
            }
            Err(failure) => {
                self.failure = Some(failure);
                Err(io::ErrorKind::Other.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn broken(detail: &str) -> Failure {
    Failure::new(Reason::Malformed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn pack(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(coding: Coding, wire: &[u8], step: usize, limits: &Limits) -> Result<(Vec<u8>, u64), Failure> {
        let mut out = Vec::new();
        let mut intake = Intake::new(coding, limits, |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok(())
        });
        for piece in wire.chunks(step) {
            intake.feed(piece)?;
        }
        let wire = intake.finish()?;
        Ok((out, wire))
    }

    #[test]
    fn unpacks_across_any_cut() {
        let body: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let packed = pack(&body);
        for step in [1, 7, 1_000, usize::MAX] {
            assert!(unpack(Coding::Gzip, &packed, step, &Limits::default()).unwrap() == (body.clone(), packed.len() as u64));
            assert!(unpack(Coding::Plain, &body, step, &Limits::default()).unwrap() == (body.clone(), body.len() as u64));
        }
    }

    #[test]
    fn a_bomb_ends_at_the_cap() {
        let limits = Limits::default();
        // A megabyte of this unpacks to a gigabyte.
        let packed = pack(&vec![0; 64 * 1024 * 1024]);
        assert!((packed.len() as u64) < limits.wire_bytes / 10);
        let (mut out, mut largest) = (0, 0);
        let mut intake = Intake::new(Coding::Gzip, &limits, |bytes: &[u8]| {
            out += bytes.len() as u64;
            largest = largest.max(bytes.len());
            Ok(())
        });
        let failure = intake.feed(&packed).unwrap_err();
        assert_eq!((failure.reason, failure.detail.as_str()), (Reason::TooLarge, "more than 16777216 bytes unpacked"));
        drop(intake);
        assert!(out <= limits.inflated_bytes && largest <= 64 * 1024, "{out} {largest}");
    }

    #[test]
    fn the_wire_is_capped() {
        let limits = Limits { wire_bytes: 10, ..Limits::default() };
        assert!(unpack(Coding::Plain, &[0; 10], 3, &limits).is_ok());
        assert_eq!(unpack(Coding::Plain, &[0; 11], 3, &limits).unwrap_err().reason, Reason::TooLarge);
    }

    #[test]
    fn broken_streams_are_malformed() {
        let packed = pack(b"{\"data\":[]}");
        let mut changed = packed.clone();
        let checksum = changed.len() - 8;
        changed[checksum] ^= 1;
        let twice = [packed.as_slice(), packed.as_slice()].concat();
        let garbage = [packed.as_slice(), b"x"].concat();
        let cut = &packed[..packed.len() - 1];
        for wire in [&changed, &twice, &garbage, cut, &packed[..15], b"{\"data\":[]}", b""] {
            for step in [1, usize::MAX] {
                let failure = unpack(Coding::Gzip, wire, step, &Limits::default()).unwrap_err();
                assert_eq!(failure.reason, Reason::Malformed, "{wire:?}");
            }
        }
    }

    #[test]
    fn a_bug_of_the_sink_is_met_once() {
        for (coding, wire) in [(Coding::Plain, b"abc".to_vec()), (Coding::Gzip, pack(b"abc"))] {
            let mut met = 0;
            let bug = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let mut intake = Intake::new(coding, &Limits::default(), |_: &[u8]| {
                    met += 1;
                    panic!("as a bug would")
                });
                intake.feed(&wire).and_then(|()| intake.finish())
            }));
            assert!(bug.is_err());
            assert_eq!(met, 1, "{coding:?}");
        }
    }

    #[test]
    fn the_sink_has_the_last_word() {
        for (coding, wire) in [(Coding::Plain, b"abc".to_vec()), (Coding::Gzip, pack(b"abc"))] {
            let refuse = |_: &[u8]| Err(Failure::new(Reason::TooManyItems, "no"));
            let mut intake = Intake::new(coding, &Limits::default(), refuse);
            let failure = intake.feed(&wire).and_then(|()| intake.finish()).unwrap_err();
            assert_eq!(failure.reason, Reason::TooManyItems);
        }
    }
}
