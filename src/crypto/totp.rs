//! Codes of authenticator apps (RFC 6238): six digits, SHA-1, 30 seconds, one step to either side.

use chrono::{DateTime, Utc};
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

use crate::domain::Error;

/// Bytes of a seed: 160 bits (RFC 4226 §4).
pub const SEED_BYTES: usize = 20;
const STEP_SECONDS: u64 = 30;

fn totp(seed: &[u8], issuer: &str, account: &str) -> Result<Totp, Error> {
    // The colon parts issuer and account in the URI; there it would be read as ours.
    let plain = |text: &str| text.replace(':', " ");
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(STEP_SECONDS)
        .with_secret(seed.to_vec())
        .with_account_name(plain(account))
        .with_issuer(Some(plain(issuer)))
        .build()
        .map_err(|error| Error::Internal(error.to_string().into()))
}

/// The step whose code this is, if it is one of the present step or its neighbours and later than `after`: no code works
/// twice (MF-02, MF-05).
///
/// # Errors
///
/// [`Error::Internal`] for a seed that is none.
pub fn matched_step(seed: &[u8], code: &str, after: u64, now: DateTime<Utc>) -> Result<Option<u64>, Error> {
    let totp = totp(seed, "", "")?;
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Ok(totp.check(code, seconds).filter(|step| *step > after))
}

/// The `otpauth://` URI that an app reads, and the seed in base 32 to type in. Names are encoded, whatever they hold
/// (MF-13).
///
/// # Errors
///
/// [`Error::Internal`] for a seed that is none.
pub fn enrolment(seed: &[u8], issuer: &str, account: &str) -> Result<(Zeroizing<String>, Zeroizing<String>), Error> {
    let totp = totp(seed, issuer, account)?;
    let secret = Zeroizing::new(data_encoding::BASE32_NOPAD.encode(seed));
    let url = totp.to_url().map_err(|error| Error::Internal(error.to_string().into()))?;
    Ok((Zeroizing::new(url), secret))
}

/// A QR code of the text, as an SVG image.
///
/// # Errors
///
/// [`Error::Internal`] for text that is too long for one.
pub fn qr_code(text: &str) -> Result<String, Error> {
    let code = qrcode::QrCode::new(text).map_err(|error| Error::Internal(error.to_string().into()))?;
    Ok(code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(240, 240).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("an instant")
    }

    #[test]
    fn the_codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, cut to six digits.
        let seed = b"12345678901234567890";
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert!(matched_step(seed, code, 0, at(seconds)).expect("a seed").is_some(), "{seconds}");
        }
    }

    #[test]
    fn mf05_one_step_to_either_side_and_none_twice() {
        let seed = [7; SEED_BYTES];
        let now = at(3_000_000_000);
        let step = 100_000_000_u64;
        let code = |step: u64| totp(&seed, "", "").expect("a seed").generate(step * STEP_SECONDS).to_string();
        for (offset, accepted) in [(-2_i64, false), (-1, true), (0, true), (1, true), (2, false)] {
            let matched = matched_step(&seed, &code(step.saturating_add_signed(offset)), 0, now).expect("a seed");
            assert_eq!(matched.is_some(), accepted, "{offset}");
        }
        assert_eq!(matched_step(&seed, &code(step), step, now).expect("a seed"), None, "MF-02");
        assert_eq!(matched_step(&seed, &code(step - 1), step, now).expect("a seed"), None, "an older one neither");
    }

    #[test]
    fn mf13_names_cannot_add_parameters() {
        let seed = [7; SEED_BYTES];
        for name in ["x&secret=AAAA", "a%0ab", "ü?b#c", "a:b"] {
            let (url, secret) = enrolment(&seed, name, name).expect("a seed");
            let url = url.as_str();
            assert!(url.starts_with("otpauth://totp/"), "{url}");
            assert_eq!(url.matches("secret=").count(), 1, "{url}");
            assert!(url.contains(&format!("secret={}", secret.as_str())), "{url}");
            assert!(!url.contains('#') && url.is_ascii() && !url.contains('\n'), "{url}");
            assert!(qr_code(url).expect("short enough").contains("<svg"));
        }
    }
}
