//! What a program asks of the system's C library, read from the names in its dynamic string table.

use anyhow::{Context, Result};

/// The newest version of the C library that one of its functions is taken from.
pub(super) fn libc_version(program: &[u8]) -> Result<String> {
    versions(program)
        .max()
        .map(|(major, minor)| format!("{major}.{minor}"))
        .context("it names no version of the GNU C library: is it a program for Debian?")
}

/// Whether it asks for this library at its start.
pub(super) fn names(program: &[u8], library: &str) -> bool {
    let wanted = [b"\0", library.as_bytes(), b"\0"].concat();
    program.windows(wanted.len()).any(|window| window == wanted)
}

/// All of `GLIBC_major.minor`, whatever follows.
fn versions(program: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    const MARK: &[u8] = b"\0GLIBC_";
    program
        .windows(MARK.len())
        .enumerate()
        .filter(|(_, window)| *window == MARK)
        .filter_map(|(at, _)| {
            let rest = program.get(at + MARK.len()..)?;
            let end = rest.iter().take(16).position(|byte| *byte == 0)?;
            let text = std::str::from_utf8(rest.get(..end)?).ok()?;
            let mut parts = text.split('.');
            Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_needed() {
        let program = b"\x7fELF\0GLIBC_2.4\0libgcc_s.so.1\0GLIBC_2.34\0GLIBC_2.2.5\0GLIBC_PRIVATE\0";
        assert_eq!(libc_version(program).unwrap(), "2.34");
        assert!(names(program, "libgcc_s.so.1"));
        assert!(!names(program, "libgcc_s.so"));
        assert!(libc_version(b"\x7fELF\0").is_err());
    }
}
