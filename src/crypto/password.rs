//! Password hashing: Argon2id (RFC 9106), the salt from our own source of chance.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::domain::Error;
use crate::domain::password::Password;

/// The cost of a hash. New hashes cost this; stored ones that cost another are made anew when their password is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB, at least 19,456 outside tests (OWASP's second choice).
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// The least that may be configured.
    pub const LEAST: Self = Self { memory_kib: 19_456, passes: 2, lanes: 1 };
    /// The most that a stored hash may demand of us: beyond it, it is not computed (AU-13).
    const MOST: Self = Self { memory_kib: 256 * 1024, passes: 16, lanes: 8 };

    /// The most lanes of a hash brought from elsewhere. They are computed one after the other and cost nothing more.
    const IMPORTED_LANES: u32 = 8;

    /// How much is computed: memory times passes, in KiB.
    pub fn work(self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }

    fn params(self) -> Result<Params, Error> {
        Params::new(self.memory_kib, self.passes, self.lanes, None).map_err(|error| internal(error.to_string()))
    }

    fn is_within(self, most: Self) -> bool {
        self.memory_kib <= most.memory_kib && self.passes <= most.passes && self.lanes <= most.lanes
    }
}

fn internal(text: String) -> Error {
    Error::Internal(text.into())
}

/// What hashes are computed in: kept from one to the next, so that the memory of all is what is configured, and none is
/// asked of the system while others wait.
#[derive(Debug, Default)]
pub struct Memory(Vec<Block>);

impl Memory {
    /// Gives back what is more than this many KiB.
    pub fn shrink_to(&mut self, kib: u32) {
        // A block is one KiB.
        let most = usize::try_from(kib).unwrap_or(usize::MAX);
        if self.0.len() > most {
            self.0.truncate(most);
            self.0.shrink_to_fit();
        }
    }

    /// How many KiB are held.
    pub fn kib(&self) -> usize {
        self.0.capacity()
    }

    /// The output for these parameters.
    fn compute(&mut self, password: &Password, salt: &[u8], params: Params) -> Result<Output, Error> {
        let wanted = params.block_count();
        if wanted > self.0.len() {
            self.0.resize(wanted, Block::new());
        }
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let computed =
            argon2.hash_password_into_with_memory(password.expose(), salt, &mut output, &mut self.0[..wanted]);
        computed.map_err(|error| internal(error.to_string()))?;
        Output::new(&output).map_err(|error| internal(error.to_string()))
    }
}

/// Hashes a password to a PHC string (`$argon2id$v=19$…`).
///
/// # Errors
///
/// [`Error::Internal`] when the parameters are not accepted, which would be a bug.
pub fn hash(password: &Password, salt: [u8; 16], cost: Cost, memory: &mut Memory) -> Result<String, Error> {
    let params = cost.params()?;
    let phc = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|error| internal(error.to_string()))?,
        salt: Some(Salt::new(&salt).map_err(|error| internal(error.to_string()))?),
        hash: Some(memory.compute(password, &salt, params)?),
    };
    Ok(phc.to_string())
}

/// What a comparison tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password, and the hash is as it should be.
    Right,
    /// It is the password; the hash costs too little or too much, and is to be made anew.
    RightButOutdated,
    /// It is not, or the hash is none that we compute.
    Wrong,
}

/// Compares a password with a hash. A hash of another algorithm, version or beyond our bounds is wrong, and not computed.
pub fn verify(password: &Password, phc: &str, cost: Cost, memory: &mut Memory) -> Verdict {
    let Ok(parsed) = PasswordHash::new(phc) else { return Verdict::Wrong };
    let (Some(stored), Some(salt), Some(expected)) = (cost_of(&parsed), &parsed.salt, &parsed.hash) else {
        return Verdict::Wrong;
    };
    if !stored.is_within(Cost::MOST) {
        return Verdict::Wrong;
    }
    let computed = stored.params().and_then(|params| memory.compute(password, salt, params));
    // Outputs are compared in constant time.
    match computed {
        Ok(computed) if computed == *expected && stored == cost => Verdict::Right,
        Ok(computed) if computed == *expected => Verdict::RightButOutdated,
        _ => Verdict::Wrong,
    }
}

/// Whether a hash brought from elsewhere can be kept: Argon2id, complete, and no dearer than those that we make (S-11).
pub fn is_acceptable(phc: &str, most: Cost) -> bool {
    let Ok(parsed) = PasswordHash::new(phc) else { return false };
    let complete = parsed.salt.is_some() && parsed.hash.is_some();
    let is_cheap_enough = |cost: Cost| {
        cost.memory_kib <= most.memory_kib && cost.work() <= most.work() && cost.lanes <= Cost::IMPORTED_LANES
    };
    complete && cost_of(&parsed).is_some_and(|cost| is_cheap_enough(cost) && cost.is_within(Cost::MOST))
}

/// The cost of comparing a password with this hash; none, if it is not computed at all.
pub fn demand(phc: &str) -> Option<Cost> {
    let parsed = PasswordHash::new(phc).ok()?;
    cost_of(&parsed).filter(|cost| cost.is_within(Cost::MOST))
}

fn cost_of(hash: &PasswordHash) -> Option<Cost> {
    let is_ours = hash.algorithm.as_str() == "argon2id" && hash.version == Some(19);
    let params = Params::try_from(hash).ok().filter(|_| is_ours)?;
    Some(Cost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(password: &Password, phc: &str, cost: Cost) -> Verdict {
        super::verify(password, phc, cost, &mut Memory::default())
    }

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

    fn password(text: &str) -> Password {
        Password::read(text, "password").expect("short enough")
    }

    #[test]
    fn a_hash_verifies_its_password_and_no_other() {
        let phc = hash(&password("correct horse"), [7; 16], Cost::LEAST, &mut Memory::default()).expect("hashed");
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(verify(&password("correct horse"), &phc, Cost::LEAST), Verdict::Right);
        assert_eq!(verify(&password("correct horsf"), &phc, Cost::LEAST), Verdict::Wrong);
    }

    #[test]
    fn a_hash_of_another_cost_is_told_apart() {
        let phc = hash(&password("x"), [7; 16], CHEAP, &mut Memory::default()).expect("hashed");
        assert_eq!(verify(&password("x"), &phc, CHEAP), Verdict::Right);
        assert_eq!(verify(&password("x"), &phc, Cost::LEAST), Verdict::RightButOutdated);
        let less = Cost { memory_kib: 32, ..CHEAP };
        assert_eq!(verify(&password("x"), &phc, less), Verdict::RightButOutdated, "decision 8: above the cost too");
        assert_eq!(verify(&password("y"), &phc, Cost::LEAST), Verdict::Wrong);
    }

    #[test]
    fn memory_used_before_changes_nothing() {
        let mut memory = Memory::default();
        let large = hash(&password("x"), [7; 16], Cost { memory_kib: 128, ..CHEAP }, &mut memory).expect("hashed");
        let small = hash(&password("x"), [7; 16], CHEAP, &mut memory).expect("hashed");
        assert_eq!(small, hash(&password("x"), [7; 16], CHEAP, &mut Memory::default()).expect("hashed"));
        assert_eq!(super::verify(&password("x"), &large, CHEAP, &mut memory), Verdict::RightButOutdated);
        assert_eq!(super::verify(&password("x"), &small, CHEAP, &mut memory), Verdict::Right);
    }

    /// S-11.
    #[test]
    fn memory_of_a_large_hash_is_given_back() {
        let mut memory = Memory::default();
        hash(&password("x"), [7; 16], Cost { memory_kib: 4_096, ..CHEAP }, &mut memory).expect("hashed");
        assert!(memory.kib() >= 4_096);
        memory.shrink_to(64);
        assert!(memory.kib() < 128, "{}", memory.kib());
        assert!(hash(&password("x"), [7; 16], CHEAP, &mut memory).is_ok());
    }

    /// S-11.
    #[test]
    fn a_hash_from_elsewhere_costs_no_more_than_ours() {
        let of = |m: u32, t: u32, p: u32| {
            format!(
                "$argon2id$v=19$m={m},t={t},p={p}$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            )
        };
        for (hash, expected) in [
            (of(19_456, 2, 1), true),
            (of(12_288, 3, 1), true),
            (of(7_168, 5, 4), true),
            (of(19_456, 3, 1), false),
            (of(19_457, 1, 1), false),
            (of(262_144, 10, 8), false),
            (of(9_728, 4, 9), false),
            ("plain".to_owned(), false),
        ] {
            assert_eq!(is_acceptable(&hash, Cost::LEAST), expected, "{hash}");
        }
        assert_eq!(demand(&of(65_536, 3, 4)), Some(Cost { memory_kib: 65_536, passes: 3, lanes: 4 }));
        assert_eq!(demand(&of(4_194_304, 2, 1)), None, "not computed at all");
    }

    #[test]
    fn au11_no_character_is_left_out() {
        let long = "a".repeat(72);
        let phc = hash(&password(&format!("{long}b")), [7; 16], CHEAP, &mut Memory::default()).expect("hashed");
        assert_eq!(verify(&password(&long), &phc, CHEAP), Verdict::Wrong);
        assert_eq!(verify(&password(&format!("{long}c")), &phc, CHEAP), Verdict::Wrong);
    }

    #[test]
    fn au13_a_hostile_hash_is_not_computed() {
        let salt = "AAAAAAAAAAAAAAAAAAAAAA";
        let sum = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for hostile in [
            format!("$argon2id$v=19$m=4194304,t=2,p=1${salt}${sum}"),
            format!("$argon2id$v=19$m=19456,t=4294967295,p=1${salt}${sum}"),
            format!("$argon2id$v=19$m=19456,t=2,p=255${salt}${sum}"),
            format!("$argon2id$v=16$m=19456,t=2,p=1${salt}${sum}"),
            format!("$argon2i$v=19$m=19456,t=2,p=1${salt}${sum}"),
            format!("$argon2id$m=19456,t=2,p=1${salt}${sum}"),
            "$2b$12$abcdefghijklmnopqrstuv".to_owned(),
            "plain".to_owned(),
            String::new(),
        ] {
            assert_eq!(verify(&password("x"), &hostile, CHEAP), Verdict::Wrong, "{hostile}");
        }
    }
}
