//! The program `keymuster`.

fn main() {}
