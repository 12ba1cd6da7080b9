//! Pieces that adapters share for reading answers; pure.
