//! The agent travels in a ConfigMap, next to whatever else that holds.

use harness::probe::agent::binary;

/// Both architectures together stay far below a ConfigMap's 1 MiB, base64 included.
const LIMIT: usize = 64 << 10;

#[test]
fn the_agent_fits_into_a_config_map() {
    for arch in ["amd64", "arm64"] {
        let Some(binary) = binary(arch) else {
            println!("skipped: no agent for {arch} was built");
            continue;
        };
        println!("{arch}: {} bytes", binary.len());
        assert!(binary.len() < LIMIT, "{arch}: {} bytes", binary.len());
    }
}

#[test]
fn the_agent_is_a_static_executable_of_its_architecture() {
    for (arch, machine) in [("amd64", 62), ("arm64", 183)] {
        let Some(binary) = binary(arch) else { continue };
        assert_eq!(&binary[..6], b"\x7fELF\x02\x01", "{arch}: 64 bits, little endian");
        assert_eq!(u16::from_le_bytes([binary[16], binary[17]]), 2, "{arch}: an executable");
        assert_eq!(u16::from_le_bytes([binary[18], binary[19]]), machine, "{arch}");
        let word = |at: usize| u64::from_le_bytes(binary[at..at + 8].try_into().unwrap()) as usize;
        let count = usize::from(u16::from_le_bytes([binary[56], binary[57]]));
        // Neither an interpreter (3) nor a dynamic section (2).
        assert!((0..count).all(|n| !matches!(binary[word(32) + n * 56], 2 | 3)), "{arch}: nothing to load or relocate");
    }
}

#[test]
fn an_unknown_architecture_has_no_agent() {
    assert_eq!(binary("s390x"), None);
}
