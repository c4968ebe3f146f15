//! What was promised, held against what was measured.

use crate::figures::{Figure, Results};

const DISK: &str = "surrealkv";

pub fn judge(results: &mut Results) {
    for (key, operation, share) in [("01 by id", "GET /Users/{id}", 0.30), ("02 by name", "filter userName eq", 0.15)] {
        against_bare(results, key, operation, share);
    }
    for (key, users, rate) in [("03 pages", 10_000, 400.0), ("03 pages of a million", 1_000_000, 200.0)] {
        if let Some(figure) = results.find((DISK, users), "page of 100 anywhere").cloned() {
            let what = format!("pages of 100 anywhere among {} users", thousands(users));
            results.line(key, what, format!("{:.0}/s", figure.rate), &format!("≥ {rate:.0}/s"), figure.rate >= rate);
        }
    }
    let creates = ["POST /Users"].as_slice();
    let switches = ["PATCH active, Okta's shape", "PATCH active, Entra's shape"].as_slice();
    against_store(results, "05 create", ("durable creates", creates, "the store alone: create"), (2_000.0, 0.75));
    let what = "durable deactivations and activations, the slower of Okta's and Entra's shape";
    against_store(results, "06 switch", (what, switches, "the store alone: change"), (3_000.0, 0.70));
    groups(results);
    at_a_million(results);
}

fn sizes(results: &Results) -> Vec<usize> {
    results.figures.get(DISK).map(|sizes| sizes.keys().copied().collect()).unwrap_or_default()
}

fn against_bare(results: &mut Results, key: &str, operation: &str, wanted: f64) {
    let shares = |users: &usize| {
        let (figure, bare) = (results.find((DISK, *users), operation)?, results.find((DISK, *users), "bare route")?);
        Some((*users, figure.rate, figure.rate / bare.rate))
    };
    let shares: Vec<(usize, f64, f64)> = sizes(results).iter().filter_map(shares).collect();
    let (Some(first), Some(last)) = (shares.first(), shares.last()) else { return };
    let told: Vec<String> = shares
        .iter()
        .map(|(users, rate, share)| format!("{} users {rate:.0}/s, {:.0} %", thousands(*users), share * 100.0))
        .collect();
    let is_flat = last.2 >= 0.75 * first.2;
    let holds = is_flat && shares.iter().all(|(.., share)| *share >= wanted);
    let wanted = format!("≥ {:.0} % of a bare route with the same bytes, flat", wanted * 100.0);
    results.line(key, format!("`{operation}`, after one import"), told.join("; "), &wanted, holds);
}

fn against_store(
    results: &mut Results,
    key: &str,
    (what, operations, alone): (&str, &[&str], &str),
    (rate, share): (f64, f64),
) {
    let at = (DISK, 10_000);
    let Some(alone) = results.find(at, alone).map(|figure| figure.rate) else { return };
    let rates =
        operations.iter().filter_map(|operation| results.find(at, operation)).map(|figure: &Figure| figure.rate);
    let slowest = rates.fold(f64::MAX, f64::min);
    let measured = format!("{slowest:.0}/s of {alone:.0}/s: {:.0} %", slowest / alone * 100.0);
    let wanted = format!("≥ {rate:.0}/s and ≥ {:.0} % of the store alone", share * 100.0);
    let holds = slowest >= rate && slowest >= share * alone;
    results.line(key, format!("{what}, 10,000 users"), measured, &wanted, holds);
}

fn groups(results: &mut Results) {
    let Some(users) = sizes(results).into_iter().rev().find(|users| {
        results.find((DISK, *users), "add one member to a group of 100000").is_some()
            || results.find((DISK, *users), "add one member to a group of 10000").is_some()
    }) else {
        return;
    };
    let at = (DISK, users);
    let size = if results.find(at, "add one member to a group of 100000").is_some() { 100_000 } else { 10_000 };
    let p50 = |operation: &str| results.find(at, &format!("{operation} a group of {size}")).map(|figure| figure.p50);
    if let (Some(added), Some(removed)) = (p50("add one member to"), p50("remove one member from")) {
        let what = format!("one member added to and removed from a group of {}, durable, p50", thousands(size));
        let measured = format!("{added:.2} ms, {removed:.2} ms");
        results.line("07 member", what, measured, "< 3 ms", size == 100_000 && added < 3.0 && removed < 3.0);
    }
    let without =
        |size: usize| results.find(at, &format!("GET without members of a group of {size}")).map(|figure| figure.p50);
    if let (Some(empty), Some(crowd)) = (without(0), without(size)) {
        let what =
            format!("`GET /Groups/{{id}}?excludedAttributes=members`, none and {} members, p50", thousands(size));
        let measured = format!("{empty:.3} ms, {crowd:.3} ms: {:.2} ×", crowd / empty);
        results.line("08 without members", what, measured, "within 1.2 ×", crowd <= 1.2 * empty);
    }
    if let Some(figure) = results.find((DISK, 10_000), "GET of a group with its 1000 members").cloned() {
        results.line(
            "09 whole group",
            "a group with its 1,000 members",
            format!("{:.0}/s", figure.rate),
            "≥ 2,000/s",
            figure.rate >= 2_000.0,
        );
    }
}

fn at_a_million(results: &mut Results) {
    let (Some(few), Some(many)) = (
        results.figures.get(DISK).and_then(|sizes| sizes.get(&10_000)),
        results.figures.get(DISK).and_then(|sizes| sizes.get(&1_000_000)),
    ) else {
        return;
    };
    let ratios = many.iter().filter_map(|(name, figure)| {
        let known = few.get(name)?;
        (known.p50 > 0.0).then(|| (figure.p50 / known.p50, name.clone()))
    });
    let mut ratios: Vec<(f64, String)> = ratios.collect();
    ratios.sort_by(|one, other| other.0.total_cmp(&one.0));
    let told: Vec<String> = ratios.iter().take(3).map(|(ratio, name)| format!("{name} {ratio:.2} ×")).collect();
    let holds = ratios.first().is_some_and(|(ratio, _)| *ratio <= 1.5);
    results.line(
        "10 million",
        "every p50 at 1,000,000 users against 10,000, the largest",
        told.join("; "),
        "≤ 1.5 ×",
        holds,
    );
}

/// A number as people write it.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut told = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            told.push(',');
        }
        told.push(digit);
    }
    told
}
