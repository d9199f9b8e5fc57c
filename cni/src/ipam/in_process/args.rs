//! `CNI_ARGS` as the reference plugins read them: what they do not know is an error, unless `IgnoreUnknown` is said.
//!
//! Contract: `LoadArgs` of libcni's pkg/types.

use super::Problem;
use crate::printable::excerpt;

const QUOTED: usize = 256;

/// The values of the keys that a plugin knows, in their order; the last one of a key counts.
pub(super) fn known<'a, const N: usize>(args: &'a str, keys: [&str; N]) -> Result<[Option<&'a str>; N], Problem> {
    let mut values = [None; N];
    if args.is_empty() {
        return Ok(values);
    }
    let mut ignores = false;
    let mut unknown = Vec::new();
    for pair in args.split(';') {
        let quoted = || excerpt(pair, QUOTED);
        let Some((key, value)) = pair.split_once('=').filter(|(_, value)| !value.contains('=')) else {
            return Err(Problem(format!("ARGS: invalid pair \"{}\"", quoted())));
        };
        if let Some(index) = keys.iter().position(|known| *known == key) {
            values[index] = Some(value);
        } else if key == "IgnoreUnknown" {
            ignores = boolean(value).ok_or_else(|| {
                let why = format!("boolean unmarshal error: invalid input {}", value.to_lowercase());
                Problem(format!("ARGS: error parsing value of pair \"{}\": {why}", quoted()))
            })?;
        } else {
            unknown.push(format!("\"{}\"", quoted()));
        }
    }
    if ignores || unknown.is_empty() {
        Ok(values)
    } else {
        Err(Problem(format!("ARGS: unknown args [{}]", unknown.join(" "))))
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_refused_unless_it_may_be_ignored() {
        for (args, expected) in [
            ("", Ok(None)),
            ("IP=10.0.0.1", Ok(Some("10.0.0.1"))),
            ("IP=1;IP=2", Ok(Some("2"))),
            ("K8S_POD_NAME=a;IP=1;IgnoreUnknown=True", Ok(Some("1"))),
            ("IgnoreUnknown=0;A=b;C=", Err("ARGS: unknown args [\"A=b\" \"C=\"]")),
            ("IP=a=b", Err("ARGS: invalid pair \"IP=a=b\"")),
            ("IP=1;", Err("ARGS: invalid pair \"\"")),
            (
                "IgnoreUnknown=Yes",
                Err(
                    "ARGS: error parsing value of pair \"IgnoreUnknown=Yes\": boolean unmarshal error: invalid input yes",
                ),
            ),
        ] {
            let found = known(args, ["IP"])
                .map(|[ip]| ip)
                .map_err(|problem| problem.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{args}");
        }
    }
}
