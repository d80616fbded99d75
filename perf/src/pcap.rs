//! Captures in the classic pcap format, little-endian, microseconds.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// What the file begins with: magic, version 2.4, zone and accuracy 0, the longest packet, Ethernet.
const FILE_HEADER: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1];

/// A capture could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {cause}", path.display())]
pub(crate) struct WriteError {
    path: PathBuf,
    cause: io::Error,
}

/// Writes packets to a file.
pub(crate) fn write_file(path: &Path, packets: impl Iterator<Item = Vec<u8>>) -> Result<(), WriteError> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        write(&mut file, packets)?;
        file.flush()
    };
    write().map_err(|cause| WriteError { path: path.to_owned(), cause })
}

/// Writes packets one microsecond apart.
fn write(to: &mut impl Write, packets: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
    write_words(to, &FILE_HEADER)?;
    for (n, packet) in packets.enumerate() {
        let (seconds, micros) = ((n / 1_000_000) as u32, (n % 1_000_000) as u32);
        let len = u32::try_from(packet.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        write_words(to, &[seconds, micros, len, len])?;
        to.write_all(&packet)?;
    }
    Ok(())
}

fn write_words(to: &mut impl Write, words: &[u32]) -> io::Result<()> {
    words.iter().try_for_each(|word| to.write_all(&word.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_has_the_bytes_of_the_format() {
        let mut file = Vec::new();
        write(&mut file, [vec![0xaa; 3], vec![]].into_iter()).unwrap();
        let header = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
        assert_eq!(file[..24], header);
        assert_eq!(file[24..43], [0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 0xaa, 0xaa, 0xaa]);
        assert_eq!(file[43..], [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = write_file(Path::new("/no/such/folder/x.pcap"), std::iter::empty()).unwrap_err();
        assert!(error.to_string().starts_with("cannot write /no/such/folder/x.pcap: "), "{error}");
    }
}
