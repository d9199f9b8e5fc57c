//! The program as a person calls it, without `CNI_COMMAND`. A runtime gives no arguments.

use std::ffi::OsString;
use std::io::{self, Write};

use hardwire_cni::VERSION;
use hardwire_cni::protocol::{CniError, code};
use hardwire_cni::verbs;

/// What is answered, and where: what was asked for goes to stdout, and what was not to stderr.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Stdout(String),
    Stderr(String),
}

/// Answers the arguments, which are those after the program's name.
pub(crate) fn answer(arguments: impl Iterator<Item = OsString>) -> Result<(), CniError> {
    let arguments: Vec<String> = arguments.map(|text| text.to_string_lossy().into_owned()).collect();
    let written = match decide(&arguments)? {
        Answer::Stdout(text) => io::stdout().lock().write_all(text.as_bytes()),
        Answer::Stderr(text) => io::stderr().lock().write_all(text.as_bytes()),
    };
    written.map_err(|error| CniError::new(code::IO, error))
}

fn decide(arguments: &[String]) -> Result<Answer, CniError> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => Ok(Answer::Stderr(format!(
            "{}`hardwire --help` says more\n",
            verbs::about()
        ))),
        ["-h" | "--help" | "help"] => Ok(Answer::Stdout(verbs::help())),
        ["-V" | "--version"] => Ok(Answer::Stdout(format!("hardwire {VERSION}\n"))),
        [other, ..] => {
            let right = "it must be --help or --version: a runtime calls hardwire with CNI_COMMAND, and no arguments";
            Err(CniError::new(code::ENVIRONMENT, format!("argument {other}: {right}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(arguments: &[&str]) -> Result<Answer, CniError> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        decide(&arguments)
    }

    #[test]
    fn a_person_gets_what_was_asked_for_on_stdout() {
        for ask in ["--help", "-h", "help"] {
            let Ok(Answer::Stdout(text)) = decided(&[ask]) else {
                panic!("{ask}")
            };
            assert!(text.contains("Examples:") && text.contains("CNI_COMMAND=ADD"), "{text}");
        }
        for ask in ["--version", "-V"] {
            assert_eq!(decided(&[ask]), Ok(Answer::Stdout(format!("hardwire {VERSION}\n"))));
        }
        assert!(matches!(decided(&[]), Ok(Answer::Stderr(text)) if text.contains("--help")));
        for wrong in [&["--versions"][..], &["add"], &["--help", "me"]] {
            let error = decided(wrong).unwrap_err();
            assert_eq!(error.code, code::ENVIRONMENT);
            assert!(error.msg.contains(wrong[0]) && error.msg.contains("--help"), "{error}");
        }
    }
}
