//! The checks of `tests/fuzz` for a bounded time: as many inputs as are said, each a seed that was changed, and the same ones in each run.

use std::any::Any;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use tidegate::plugin::header;
use tidegate::plugin::header::Header;

#[path = "../fuzz/checks.rs"]
#[expect(unreachable_pub, reason = "it is the library of `tests/fuzz` too")]
mod checks;

/// Bytes of an input; more are cut off.
const INPUT_BYTES: usize = 16 << 10;

/// How long one input may take, on a machine that is busy with everything else: what has no bound takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `check` on the seeds, which it has to take, and on `inputs` changed ones.
fn run(check: fn(&[u8]) -> bool, seeds: &[Vec<u8>], inputs: u32, words: &[&str]) {
    assert!(!seeds.is_empty());
    for seed in seeds {
        assert!(tried(check, seed), "a seed is refused: {}", seed.escape_ascii());
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut taken = 0;
    for _ in 0..inputs {
        let mut input = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(4) {
            random.change(&mut input, seeds, words);
        }
        input.truncate(INPUT_BYTES);
        taken += u32::from(tried(check, &input));
    }
    // Else the changes are so coarse that nothing behind the first check was looked at.
    assert!(taken * 200 >= inputs && taken < inputs, "{taken} of {inputs} inputs were taken");
}

/// Runs `check`, and shows the input when it fails or takes too long.
fn tried(check: fn(&[u8]) -> bool, input: &[u8]) -> bool {
    let began = Instant::now();
    let ended = std::panic::catch_unwind(|| check(input));
    assert!(began.elapsed() < PATIENCE, "{:?} for {}", began.elapsed(), input.escape_ascii());
    ended.unwrap_or_else(|error| panic!("{}\nthe input: {}", said(&*error), input.escape_ascii()))
}

/// What a panic said.
fn said(error: &(dyn Any + Send)) -> &str {
    error.downcast_ref::<String>().map(String::as_str).or_else(|| error.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}

/// Numbers that look like chance and are the same in each run (xorshift64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// One from 0 to `end`, without that.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("it is less than `end`")
    }

    /// A part of something so long.
    fn part(&mut self, length: usize) -> std::ops::Range<usize> {
        let begin = self.below(length + 1);
        begin..begin + self.below((length - begin).min(64) + 1)
    }

    /// Makes one change: of a bit, of a byte, of a part, or of something that some seed or word has.
    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str]) {
        let at = self.below(input.len() + 1);
        match self.below(8) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = [0, b' ', b'"', b'\\', b'/', b'.', b'0', b'9', 0x7f, 0xff][self.below(10)],
            2 => {
                let part = self.part(input.len());
                input.drain(part);
            }
            3 => {
                let part = self.part(input.len());
                let part = input[part].to_vec();
                input.splice(at..at, part);
            }
            4 => {
                let other = &seeds[self.below(seeds.len())];
                let part = self.part(other.len());
                input.splice(at..at, other[part].iter().copied());
            }
            5 => {
                let word = words[self.below(words.len())];
                input.splice(at..at, word.bytes());
            }
            6 => {
                // A word in the place of a part, so that what stands around it stays whole.
                let part = self.part(input.len());
                let word = words[self.below(words.len())];
                input.splice(part, word.bytes());
            }
            _ => input.truncate(at),
        }
    }
}

/// What is in a folder of `tests/fuzz/seeds`.
fn seeds_of(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).unwrap().trim_ascii_end().to_vec()).collect()
}

const TEXTS: [&str; 22] = [
    "\"\"",
    "[",
    "]",
    "{",
    "}",
    "=",
    "\n",
    "\\u0000",
    "\\u202e",
    "\u{200b}",
    "\u{202e}",
    "\u{e0041}",
    "../",
    "/",
    "..",
    "null",
    "true",
    "-1",
    "1e400",
    "18446744073709551616",
    "9999-12-31T23:59:60Z",
    "sha256:",
];

#[test]
fn whatever_comes_as_a_manifest_is_refused_or_sound() {
    let tables = [
        "[[hooks]]\nevent = \"before-query\"\nkind = \"validate\"\n",
        "[jobs.tidy]\nschedule = \"* * * * *\"\n",
        "[tools.ask]\nuses = []\n",
        "[secrets.key]\n",
    ];
    run(checks::manifest, &seeds_of("manifest"), 6_000, &[&TEXTS[..], &tables[..]].concat());
}

#[test]
fn whatever_comes_as_a_lock_is_refused_or_written_as_it_was_read() {
    run(checks::lock, &seeds_of("lock"), 6_000, &TEXTS);
}

#[test]
fn whatever_comes_as_a_line_of_an_index_is_refused_or_written_as_it_was_read() {
    run(checks::index_line, &seeds_of("index_line"), 20_000, &TEXTS);
}

#[test]
fn whatever_comes_as_a_signature_does_not_hold_unless_it_was_signed() {
    run(checks::signature, &seeds_of("signature"), 4_000, &[&TEXTS[..], &["untrusted comment: ", "trusted comment: ", "=="]].concat());
}

#[test]
fn whatever_comes_as_a_component_keeps_its_header_apart() {
    let empty = b"\0asm\x0d\0\x01\0".to_vec();
    let header = Header { id: "example.org/two".into(), version: "0.1.0".parse().unwrap(), host_api: "^0.1".parse().unwrap() };
    let one = header::embed(&empty, &header).unwrap();
    // A section of somebody else, and a component in the component that has one of ours.
    let other = [&one[..], b"\0\x05\x04name"].concat();
    let nested = [&empty[..], &[4, u8::try_from(one.len()).unwrap()], &one[..]].concat();
    let words = ["\0asm", "\r\0\x01\0", "\x01\0\0\0", "\0\x10\x0ftidegate:plugin", "\u{7f}\u{7f}\u{7f}\u{7f}", "\0", "{}"];
    run(checks::component_header, &[empty, one, other, nested], 30_000, &words);
}

#[test]
fn whatever_values_go_into_rows_come_back() {
    let seeds = [
        b"\0\x01\x09\x02\xff\xff\xff\xff\xff\xff\xff\x7f\x03\0\0\0\0\0\0\xf8\x7f\x03\0\0\0\0\0\0\0\x80\x64123456789.01\x2d\"\\\n\xf0"
            .to_vec(),
        b"\x5f{\"a\":[1,2]}\x3f [1e400]\x57\"\\ud800\" \x36\0\xff\0\xff\0\xff\x02\0\0\0\0\0\0\x20\0".to_vec(),
    ];
    run(checks::values, &seeds, 20_000, &["\u{7}", "\u{5}", "\u{3}", "NaN", "{\"a\":", "[[[[[[", "]", "\\u0000", "-0.0", "\u{feff}"]);
}
