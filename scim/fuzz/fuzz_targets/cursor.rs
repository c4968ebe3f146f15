//! Cursors as clients may send them: no text opens but what was sealed, for the list it was sealed for, and what is inside is
//! read or refused. The server's own files are taken in here, without its database.
#![no_main]

mod domain {
    /// As much of the server's error as sealing knows.
    #[derive(Debug)]
    pub enum Error {
        Internal(#[expect(dead_code, reason = "nobody reads it here")] Box<dyn std::error::Error + Send + Sync>),
    }
}
#[path = "../../../src/domain/cursor.rs"]
mod cursor;
#[path = "../../../src/crypto/seal.rs"]
#[expect(dead_code, reason = "cursors are sealed under the deployment's key alone")]
mod seal;

use cursor::{Cursor, Position};
use libfuzzer_sys::fuzz_target;
use seal::Sealer;
use uuid::Uuid;
use zeroize::Zeroizing;

const LIST: &str = "cursor:acme:okta:User:title pr";

fuzz_target!(|bytes: &[u8]| {
    let sealer = Sealer::new(&[Zeroizing::new(vec![7; seal::KEY_BYTES])]).expect("a key");
    let cursor = Cursor { after: Position { key: None, id: Uuid::nil() }, count: 100, given: 0 };
    let sealed = sealer.seal(LIST, &cursor.write(), [9; 12]).expect("sealed");
    let opened = |text: &str| sealer.try_open(LIST, text).and_then(|plain| Cursor::read(&plain));
    assert_eq!(opened(&sealed), Some(cursor));
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(text == sealed || opened(text).is_none());
        assert!(sealer.try_open(text, &sealed).is_none() || text == LIST, "another list");
    }
    // The sealed text with some of its bytes changed.
    let mut altered = sealed.clone().into_bytes();
    let length = altered.len();
    for change in bytes.chunks_exact(2) {
        altered[usize::from(change[0]) % length] ^= change[1];
    }
    if let Ok(text) = std::str::from_utf8(&altered) {
        assert!(text == sealed || opened(text).is_none());
    }
    // What is inside, were it whatever.
    if let Some(inside) = Cursor::read(bytes) {
        let again = sealer.seal(LIST, &inside.write(), [9; 12]).expect("sealed");
        assert_eq!(opened(&again), Some(inside));
    }
});
