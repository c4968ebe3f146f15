//! The contract between SurrealDB and a storage engine, held on ours and on SurrealDB's engine in memory.
//!
//! A property runs the same operations on both and compares the answers; the other tests name one promise each.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use surrealdb_kvs::api::Transactable;
use surrealdb_kvs::{Direction, Error, Key, KeyRange, Result, TransactionBuilder, TransactionType};
use tempfile::TempDir;

use super::datastore::DiskEngine;
use super::disk::{CommitSync, DiskMemory};

type Engine = Arc<dyn TransactionBuilder>;
type Transaction = Box<dyn Transactable>;

const SMALL: DiskMemory = DiskMemory { read_bytes: 1 << 20, written_bytes: 1 << 20 };

async fn on_disk(folder: &TempDir) -> Engine {
    Arc::new(DiskEngine::open(folder.path(), CommitSync::Never, SMALL).await.expect("opens"))
}

async fn in_memory() -> Engine {
    let engine = surrealdb_kvs_mem::Datastore::new(surrealdb_kvs_mem::MemoryConfig::default()).await;
    Arc::new(engine.expect("opens"))
}

/// Both engines, the one on disk with the folder it is in.
async fn engines() -> (TempDir, [Engine; 2]) {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = on_disk(&folder).await;
    (folder, [disk, in_memory().await])
}

async fn begin(engine: &Engine, kind: TransactionType) -> Transaction {
    engine.new_transaction(kind).await.expect("begins").0
}

async fn write(engine: &Engine) -> Transaction {
    begin(engine, TransactionType::Write).await
}

async fn read(engine: &Engine) -> Transaction {
    begin(engine, TransactionType::Read).await
}

fn key(text: &str) -> Key<'_> {
    Key::from(text.as_bytes())
}

fn range<'k>(start: &'k str, end: &'k str) -> KeyRange<'k> {
    KeyRange { start: key(start), end: key(end) }
}

async fn put_all(engine: &Engine, keys: &[&str]) {
    let transaction = write(engine).await;
    for name in keys {
        transaction.set(key(name), format!("value of {name}").into_bytes()).await.expect("set");
    }
    transaction.commit().await.expect("committed");
}

async fn value(transaction: &Transaction, name: &str) -> Option<String> {
    let value = transaction.get(key(name), None).await.expect("read");
    value.map(|value| String::from_utf8(value).expect("text"))
}

async fn names(transaction: &Transaction, start: &str, end: &str) -> Vec<String> {
    let found = transaction.keys(range(start, end), 1_000, 0, None).await.expect("read");
    found.keys.into_iter().map(|key| String::from_utf8(key).expect("text")).collect()
}

#[tokio::test]
async fn a_range_includes_its_start_and_excludes_its_end_in_both_directions() {
    let (_folder, engines) = engines().await;
    for engine in engines {
        put_all(&engine, &["a", "b", "b\0", "c", "d"]).await;
        let transaction = read(&engine).await;
        assert_eq!(names(&transaction, "b", "d").await, ["b", "b\0", "c"]);
        assert_eq!(names(&transaction, "d", "b").await, [""; 0], "a range that ends before it begins is empty");
        let back = transaction.keysr(range("b", "d"), 2, 0, None).await.expect("read");
        assert_eq!(back.keys, [b"c".to_vec(), b"b\0".to_vec()]);
        assert_eq!(back.key_bytes, 3);
        let scanned = transaction.scan(range("a", "z"), 2, 3, None).await.expect("read");
        assert_eq!(scanned.values[0], (b"c".to_vec(), b"value of c".to_vec()), "three rows are skipped");
        assert_eq!((scanned.values.len(), scanned.key_bytes, scanned.value_bytes), (2, 2, 20));
        assert_eq!(transaction.count(range("b", "d"), None).await.expect("counted"), 3);
    }
}

#[tokio::test]
async fn a_transaction_reads_its_own_writes_in_ranges_and_others_see_them_once_they_are_committed() {
    let (_folder, engines) = engines().await;
    for engine in engines {
        put_all(&engine, &["a", "c"]).await;
        let (writer, before) = (write(&engine).await, read(&engine).await);
        writer.set(key("b"), b"new".to_vec()).await.expect("set");
        writer.del(key("c")).await.expect("deleted");
        assert_eq!(names(&writer, "a", "z").await, ["a", "b"]);
        let back = writer.keysr(range("a", "z"), 10, 0, None).await.expect("read");
        assert_eq!(back.keys, [b"b".to_vec(), b"a".to_vec()]);
        assert_eq!(names(&before, "a", "z").await, ["a", "c"]);
        writer.commit().await.expect("committed");
        assert_eq!(names(&before, "a", "z").await, ["a", "c"], "a snapshot stays");
        assert_eq!(names(&read(&engine).await, "a", "z").await, ["a", "b"]);
    }
}

#[tokio::test]
async fn of_two_writes_of_a_key_the_second_to_commit_conflicts_and_may_be_retried() {
    let (_folder, engines) = engines().await;
    for engine in engines {
        let (first, second) = (write(&engine).await, write(&engine).await);
        first.set(key("k"), b"1".to_vec()).await.expect("set");
        second.set(key("k"), b"2".to_vec()).await.expect("set");
        first.commit().await.expect("committed");
        assert!(second.commit().await.expect_err("conflicts").is_retryable());
        assert_eq!(value(&read(&engine).await, "k").await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn a_key_read_for_an_update_conflicts_with_a_write_of_it_and_not_with_another_such_read() {
    let (_folder, engines) = engines().await;
    for engine in engines {
        put_all(&engine, &["guard", "mine", "yours"]).await;
        let (first, second, third) = (write(&engine).await, write(&engine).await, write(&engine).await);
        for (transaction, own) in [(&first, "mine"), (&second, "yours"), (&third, "ours")] {
            assert!(transaction.shared_locked_reads());
            assert_eq!(transaction.getu(key("guard")).await.expect("read").as_deref(), Some(&b"value of guard"[..]));
            transaction.set(key(own), b"x".to_vec()).await.expect("set");
        }
        first.commit().await.expect("committed");
        second.commit().await.expect("two such reads do not conflict");
        put_all(&engine, &["guard"]).await;
        assert!(third.commit().await.expect_err("conflicts with the write").is_retryable());
        let reader = read(&engine).await;
        assert!(matches!(reader.getu(key("guard")).await, Err(Error::TransactionReadonly)));
    }
}

#[tokio::test]
async fn conditional_writes_change_nothing_unless_their_condition_holds() {
    let (_folder, engines) = engines().await;
    for engine in engines {
        put_all(&engine, &["k"]).await;
        let transaction = write(&engine).await;
        let held = || Some(b"value of k".to_vec());
        assert!(matches!(transaction.put(key("k"), vec![]).await, Err(Error::TransactionKeyAlreadyExists)));
        for wrong in [None, Some(b"other".to_vec())] {
            let outcome = transaction.putc(key("k"), b"new".to_vec(), wrong.clone()).await;
            assert!(matches!(outcome, Err(Error::TransactionConditionNotMet)), "{wrong:?}");
            let outcome = transaction.delc(key("k"), wrong.as_deref()).await;
            assert!(matches!(outcome, Err(Error::TransactionConditionNotMet)), "{wrong:?}");
        }
        assert_eq!(value(&transaction, "k").await.as_deref(), Some("value of k"));
        transaction.putc(key("k"), b"new".to_vec(), held()).await.expect("the condition holds");
        transaction.delc(key("k"), Some(b"new")).await.expect("the condition holds");
        transaction.putc(key("k"), b"again".to_vec(), None).await.expect("it does not exist");
        transaction.del(key("k")).await.expect("deleted");
        transaction.put(key("k"), b"last".to_vec()).await.expect("a key deleted before can be put");
        transaction.commit().await.expect("committed");
        assert_eq!(value(&read(&engine).await, "k").await.as_deref(), Some("last"));
    }
}

#[tokio::test]
async fn a_rollback_undoes_its_scope_and_the_scopes_released_within() {
    let (_folder, engines) = engines().await;
    for engine in engines {
        let transaction = write(&engine).await;
        let set = async |name: &str, text: &str| transaction.set(key(name), text.into()).await.expect("set");
        set("a", "outside").await;
        transaction.new_save_point().await.expect("opened");
        set("a", "outer").await;
        transaction.new_save_point().await.expect("opened");
        set("a", "inner").await;
        set("b", "inner").await;
        transaction.release_last_save_point().await.expect("released");
        assert_eq!(value(&transaction, "a").await.as_deref(), Some("inner"), "a release keeps the writes");
        transaction.rollback_to_save_point().await.expect("rolled back");
        assert_eq!(value(&transaction, "a").await.as_deref(), Some("outside"));
        assert_eq!(value(&transaction, "b").await, None);
        assert!(matches!(transaction.rollback_to_save_point().await, Err(Error::NoSavepoint)));
        transaction.release_last_save_point().await.expect("a release without a scope does nothing");
        transaction.commit().await.expect("committed");
        assert_eq!(names(&read(&engine).await, "a", "z").await, ["a"]);
    }
}

#[tokio::test]
async fn a_finished_transaction_refuses_everything_and_a_read_only_one_refuses_writes() {
    let (_folder, engines) = engines().await;
    for engine in engines {
        let reader = read(&engine).await;
        assert!(!reader.writeable());
        assert!(matches!(reader.set(key("k"), vec![]).await, Err(Error::TransactionReadonly)));
        assert!(matches!(reader.del(key("k")).await, Err(Error::TransactionReadonly)));
        reader.cancel().await.expect("cancelled");
        for transaction in [write(&engine).await, reader] {
            if !transaction.closed() {
                transaction.cancel().await.expect("cancelled");
            }
            assert!(matches!(transaction.get(key("k"), None).await, Err(Error::TransactionFinished)));
            assert!(matches!(transaction.set(key("k"), vec![]).await, Err(Error::TransactionFinished)));
            assert!(matches!(transaction.cancel().await, Err(Error::TransactionFinished)));
            assert!(matches!(transaction.commit().await, Err(Error::TransactionFinished)));
            assert!(transaction.open_keys_cursor(range("a", "z"), Direction::Forward, 0, None).await.is_err());
        }
    }
}

#[tokio::test]
async fn versions_are_refused() {
    let (_folder, engines) = engines().await;
    for engine in engines {
        for transaction in [write(&engine).await, read(&engine).await] {
            let refused = transaction.get(key("k"), Some(1)).await;
            assert!(matches!(refused, Err(Error::UnsupportedVersionedQueries)));
            let refused = transaction.scan(range("a", "z"), 1, 0, Some(1)).await;
            assert!(matches!(refused, Err(Error::UnsupportedVersionedQueries)));
        }
    }
}

#[tokio::test]
async fn a_cursor_goes_on_where_it_stopped_while_others_write() {
    let (_folder, engines) = engines().await;
    for engine in engines {
        put_all(&engine, &["a", "b", "c", "d", "e"]).await;
        let transaction = read(&engine).await;
        let mut cursor =
            transaction.open_vals_cursor(range("a", "z"), Direction::Forward, 1, None).await.expect("opened");
        assert!(cursor.next_batch(0).await.expect("read").is_empty(), "a batch of none consumes nothing");
        assert_eq!(cursor.next_batch(2).await.expect("read").get(0), Some((&b"b"[..], &b"value of b"[..])));
        put_all(&engine, &["bb", "cc"]).await;
        let batch = cursor.next_batch(10).await.expect("read");
        let seen: Vec<&[u8]> = batch.iter().map(|(key, _)| key).collect();
        assert_eq!(seen, [b"d", b"e"]);
        assert_eq!((batch.key_bytes, batch.value_bytes), (2, 20));
        assert!(cursor.next_batch(10).await.expect("read").is_empty());
        drop(cursor);
        let mut cursor =
            transaction.open_keys_cursor(range("a", "z"), Direction::Backward, 0, None).await.expect("opened");
        let mut seen = Vec::new();
        let mut stop_at_d = |key: &[u8]| {
            seen.push(key.to_vec());
            Ok(if key == b"d" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        assert_eq!(cursor.for_each(10, &mut stop_at_d).await.expect("read").rows, 2);
        let mut rest = |key: &[u8]| {
            seen.push(key.to_vec());
            Ok(ControlFlow::Continue(()))
        };
        assert_eq!(cursor.for_each(10, &mut rest).await.expect("read").rows, 3);
        assert_eq!(seen, [b"e", b"d", b"c", b"b", b"a"]);
    }
}

#[tokio::test]
async fn a_cursor_of_a_transaction_that_writes_sees_the_writes_that_come_before_it() {
    let (_folder, engines) = engines().await;
    for engine in engines {
        put_all(&engine, &["a", "b"]).await;
        let transaction = write(&engine).await;
        let mut cursor =
            transaction.open_keys_cursor(range("a", "z"), Direction::Forward, 0, None).await.expect("opened");
        assert_eq!(cursor.next_batch(1).await.expect("read").get(0), Some(&b"a"[..]));
        transaction.set(key("c"), vec![]).await.expect("set while the cursor is open");
        let batch = cursor.next_batch(10).await.expect("read");
        assert_eq!(batch.iter().collect::<Vec<_>>(), [b"b", b"c"]);
    }
}

#[tokio::test]
async fn values_and_batches_larger_than_the_memtable_are_kept_and_survive_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = on_disk(&folder).await;
    let large = vec![7_u8; 3 << 20];
    let transaction = write(&engine).await;
    transaction.set(key("large"), large.clone()).await.expect("set");
    for index in 0..5_000 {
        transaction.set(Key::from(format!("row {index:05}").into_bytes()), vec![1; 500]).await.expect("set");
    }
    transaction.set(key("empty"), vec![]).await.expect("set");
    transaction.commit().await.expect("committed");
    engine.shutdown().await.expect("closed");
    drop(engine);
    let transaction = read(&on_disk(&folder).await).await;
    assert_eq!(transaction.get(key("large"), None).await.expect("read"), Some(large));
    assert_eq!(transaction.get(key("empty"), None).await.expect("read"), Some(vec![]));
    assert_eq!(transaction.count(range("row", "rox"), None).await.expect("counted"), 5_000);
}

/// A changed byte of a table file is an error or changes no answer, never another value (F-04).
#[tokio::test]
async fn f04_a_byte_that_changed_in_a_file_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = on_disk(&folder).await;
    let transaction = write(&engine).await;
    for index in 0..2_000 {
        transaction.set(Key::from(format!("row {index:05}").into_bytes()), vec![1; 200]).await.expect("set");
    }
    transaction.commit().await.expect("committed");
    engine.shutdown().await.expect("closed");
    drop(engine);
    let tables = std::fs::read_dir(folder.path().join("sstables")).expect("a folder");
    let table = tables.map(|entry| entry.expect("an entry").path()).next().expect("a table");
    let content = std::fs::read(&table).expect("read");
    for at in [1_000, content.len() / 3, content.len() / 2, content.len() * 9 / 10, content.len() - 60] {
        let mut changed = content.clone();
        changed[at] ^= 0x20;
        std::fs::write(&table, changed).expect("written");
        let noticed = match DiskEngine::open(folder.path(), CommitSync::Never, SMALL).await {
            Err(_) => true,
            Ok(engine) => {
                let engine: Engine = Arc::new(engine);
                let read = read(&engine).await.scan(range("row", "rox"), 10_000, 0, None).await;
                engine.shutdown().await.expect("closed");
                read.map_or(true, |found| {
                    found.values.len() == 2_000 && found.values.iter().all(|(_, value)| *value == vec![1; 200])
                })
            }
        };
        assert!(noticed, "byte {at} of {}", content.len());
    }
}

#[tokio::test]
async fn a_folder_is_open_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let _first = on_disk(&folder).await;
    let second = DiskEngine::open(folder.path(), CommitSync::Never, SMALL).await;
    assert!(matches!(second, Err(Error::Datastore(_))));
}

/// One step of one of three transactions.
#[derive(Clone, Debug)]
enum Step {
    Begin(Kind),
    Get(u8),
    GetForUpdate(u8),
    Set(u8, u8),
    Put(u8, u8),
    PutIf(u8, u8, Option<u8>),
    Delete(u8),
    DeleteIf(u8, Option<u8>),
    DeleteRange(u8, u8),
    Keys { from: u8, to: u8, limit: u32, skip: u32, backward: bool },
    Values { from: u8, to: u8, limit: u32, skip: u32, backward: bool },
    Pages { from: u8, to: u8, page: u32, backward: bool },
    Count(u8, u8),
    OpenScope,
    ReleaseScope,
    RollBackScope,
    Commit,
    Cancel,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Read,
    Write,
}

fn step() -> impl Strategy<Value = Step> {
    let (name, text) = (0..12_u8, 0..4_u8);
    let ranged = (0..12_u8, 0..13_u8, 0..6_u32, 0..3_u32, any::<bool>());
    prop_oneof![
        1 => Just(Step::Begin(Kind::Read)),
        3 => Just(Step::Begin(Kind::Write)),
        2 => name.clone().prop_map(Step::Get),
        1 => name.clone().prop_map(Step::GetForUpdate),
        6 => (name.clone(), text.clone()).prop_map(|(name, text)| Step::Set(name, text)),
        1 => (name.clone(), text.clone()).prop_map(|(name, text)| Step::Put(name, text)),
        1 => (name.clone(), text.clone(), proptest::option::of(text.clone())).prop_map(|(n, t, o)| Step::PutIf(n, t, o)),
        2 => name.clone().prop_map(Step::Delete),
        1 => (name.clone(), proptest::option::of(text)).prop_map(|(name, text)| Step::DeleteIf(name, text)),
        1 => (name.clone(), 0..13_u8).prop_map(|(from, to)| Step::DeleteRange(from, to)),
        2 => ranged.clone().prop_map(|(from, to, limit, skip, backward)| Step::Keys { from, to, limit, skip, backward }),
        2 => ranged.clone().prop_map(|(from, to, limit, skip, backward)| Step::Values { from, to, limit, skip, backward }),
        2 => ranged.prop_map(|(from, to, page, _, backward)| Step::Pages { from, to, page: page + 1, backward }),
        1 => (name, 0..13_u8).prop_map(|(from, to)| Step::Count(from, to)),
        2 => Just(Step::OpenScope),
        1 => Just(Step::ReleaseScope),
        1 => Just(Step::RollBackScope),
        3 => Just(Step::Commit),
        1 => Just(Step::Cancel),
    ]
}

fn name(index: u8) -> Key<'static> {
    Key::from(vec![b'a' + index])
}

fn direction(backward: bool) -> Direction {
    if backward { Direction::Backward } else { Direction::Forward }
}

/// The answer of a step, in a form that two engines can be compared by: errors by their kind.
fn told<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    match outcome {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error:?}").split(['(', ' ']).next().unwrap_or_default().to_owned(),
    }
}

async fn run_step(engine: &Engine, slot: &mut Option<Transaction>, step: &Step) -> String {
    if let Step::Begin(kind) = step {
        let kind = match kind {
            Kind::Read => TransactionType::Read,
            Kind::Write => TransactionType::Write,
        };
        *slot = Some(begin(engine, kind).await);
        return String::new();
    }
    let Some(transaction) = slot else { return String::new() };
    // The contract says nothing of the scopes of a transaction that writes nothing.
    if !transaction.writeable() && matches!(step, Step::OpenScope | Step::ReleaseScope | Step::RollBackScope) {
        return String::new();
    }
    let value = |text: u8| vec![text; usize::from(text)];
    // SurrealDB's engine in memory panics at a range that ends before it begins.
    let between = |from: u8, to: u8| KeyRange { start: name(from.min(to)), end: name(from.max(to)) };
    match step.clone() {
        Step::Begin(_) => String::new(),
        Step::Get(key) => told(transaction.get(name(key), None).await),
        Step::GetForUpdate(key) => told(transaction.getu(name(key)).await),
        Step::Set(key, text) => told(transaction.set(name(key), value(text)).await),
        Step::Put(key, text) => told(transaction.put(name(key), value(text)).await),
        Step::PutIf(key, text, expected) => told(transaction.putc(name(key), value(text), expected.map(value)).await),
        Step::Delete(key) => told(transaction.del(name(key)).await),
        Step::DeleteIf(key, expected) => told(transaction.delc(name(key), expected.map(value).as_deref()).await),
        Step::DeleteRange(from, to) => told(transaction.delr(between(from, to)).await),
        Step::Keys { from, to, limit, skip, backward: false } => {
            told(transaction.keys(between(from, to), limit, skip, None).await)
        }
        Step::Keys { from, to, limit, skip, backward: true } => {
            told(transaction.keysr(between(from, to), limit, skip, None).await)
        }
        Step::Values { from, to, limit, skip, backward: false } => {
            told(transaction.scan(between(from, to), limit, skip, None).await)
        }
        Step::Values { from, to, limit, skip, backward: true } => {
            told(transaction.scanr(between(from, to), limit, skip, None).await)
        }
        Step::Pages { from, to, page, backward } => {
            told(pages(transaction, between(from, to), page, direction(backward)).await)
        }
        Step::Count(from, to) => told(transaction.count(between(from, to), None).await),
        Step::OpenScope => told(transaction.new_save_point().await),
        Step::ReleaseScope => told(transaction.release_last_save_point().await),
        Step::RollBackScope => told(transaction.rollback_to_save_point().await),
        Step::Commit => told(transaction.commit().await),
        Step::Cancel => told(transaction.cancel().await),
    }
}

/// Everything in a range, read in batches of one cursor.
async fn pages(
    transaction: &Transaction,
    range: KeyRange<'_>,
    page: u32,
    direction: Direction,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut cursor = transaction.open_vals_cursor(range, direction, 0, None).await?;
    let mut all = Vec::new();
    loop {
        let batch = cursor.next_batch(page).await?;
        if batch.is_empty() {
            return Ok(all);
        }
        all.extend(batch.iter().map(|(key, value)| (key.to_vec(), value.to_vec())));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// Up to three transactions at once, any operations in any order.
    #[test]
    fn both_engines_answer_alike(steps in proptest::collection::vec((0..3_usize, step()), 1..120)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runs");
        runtime.block_on(async {
            let (_folder, [disk, memory]) = engines().await;
            let mut slots: [[Option<Transaction>; 3]; 2] = Default::default();
            for (at, (slot, step)) in steps.iter().enumerate() {
                let answers = [
                    run_step(&disk, &mut slots[0][*slot], step).await,
                    run_step(&memory, &mut slots[1][*slot], step).await,
                ];
                prop_assert_eq!(&answers[0], &answers[1], "step {} of {:?}", at, steps);
            }
            let all = async |engine: &Engine| told(read(engine).await.scan(range("a", "z"), 1_000, 0, None).await);
            prop_assert_eq!(all(&disk).await, all(&memory).await);
            Ok(())
        })?;
    }
}

/// Eight writers and eight readers of pages on a memtable of 1 MiB, which is flushed all the time: the p99 of both stays below two
/// seconds, and nothing hangs. `ROLLCALL_HANG_SECONDS` sets how long it takes.
#[test]
fn f03_readers_and_writers_do_not_hang_while_a_small_memtable_is_flushed() {
    #[expect(clippy::disallowed_methods, reason = "the long form is asked for by the environment")]
    let seconds = std::env::var("ROLLCALL_HANG_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().expect("runs");
    let waited = runtime.block_on(async { hammer(on_disk(&folder).await, Duration::from_secs(seconds)).await });
    let flushed = std::fs::read_dir(folder.path().join("sstables")).expect("a folder").count();
    assert!(flushed > 0, "no memtable was flushed, so the test could not fail");
    let mut sorted = waited;
    sorted.sort_unstable();
    let p99 = sorted[sorted.len() * 99 / 100];
    println!("{} operations, p99 {p99:?}, longest {:?}", sorted.len(), sorted[sorted.len() - 1]);
    assert!(p99 < Duration::from_secs(2), "p99 is {p99:?}");
    runtime.shutdown_timeout(Duration::from_secs(5));
}

/// How long each operation took.
async fn hammer(engine: Engine, how_long: Duration) -> Vec<Duration> {
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..16_u64 {
        let (engine, stop, written) = (engine.clone(), stop.clone(), written.clone());
        tasks.spawn(async move {
            let mut waited = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                if worker % 2 == 0 {
                    write_rows(&engine, &written).await;
                } else {
                    read_page(&engine, &written).await;
                }
                waited.push(begun.elapsed());
                tokio::task::yield_now().await;
            }
            waited
        });
    }
    tokio::time::sleep(how_long).await;
    stop.store(true, Ordering::Relaxed);
    let joined = tokio::time::timeout(Duration::from_secs(30), async {
        let mut waited = Vec::new();
        while let Some(worker) = tasks.join_next().await {
            waited.extend(worker.expect("a worker"));
        }
        waited
    });
    joined.await.expect("every worker ends: none hangs")
}

async fn write_rows(engine: &Engine, written: &AtomicU64) {
    let transaction = write(engine).await;
    for _ in 0..4 {
        let at = written.fetch_add(1, Ordering::Relaxed);
        transaction.set(Key::from(at.to_be_bytes().to_vec()), vec![5; 700]).await.expect("set");
    }
    transaction.commit().await.expect("committed");
}

async fn read_page(engine: &Engine, written: &AtomicU64) {
    let from = written.load(Ordering::Relaxed).saturating_sub(5_000) / 2;
    let range = KeyRange { start: Key::from(from.to_be_bytes().to_vec()), end: Key::from(vec![255]) };
    read(engine).await.scan(range, 100, 0, None).await.expect("read");
}
