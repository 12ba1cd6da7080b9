//! How long to wait between two attempts, that not all come back at once: a hash, not chance, so that runs repeat.

/// A number of thousandths below one, drawn by what is waited for.
pub fn thousandths(of: impl IntoIterator<Item = u8>) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64; // FNV-1a
    for byte in of {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    u32::try_from((hash >> 32) % 1_000).unwrap_or(0)
}
