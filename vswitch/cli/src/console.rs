//! The terminal, or whatever stands in its place.

use std::io::{self, BufRead, ErrorKind, IsTerminal, Write};

use serde::Serialize;

use crate::failure::{Exit, Failure};

/// Where answers, remarks and questions go.
pub(crate) struct Console<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// Somebody who can be asked.
    operator: Option<&'a mut dyn BufRead>,
    /// Answers go to a terminal.
    terminal: bool,
    /// Whoever read the answers has gone.
    reader_gone: bool,
    colours: bool,
    json: bool,
}

/// Colours, by meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Colour {
    /// Fine, or new.
    Green,
    /// Broken, or going.
    Red,
    /// Changing.
    Yellow,
}

impl<'a> Console<'a> {
    /// The process's own.
    pub(crate) fn of_process(
        out: &'a mut dyn Write,
        err: &'a mut dyn Write,
        input: &'a mut dyn BufRead,
        json: bool,
    ) -> Console<'a> {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
        let terminal = io::stdout().is_terminal();
        let colours = terminal && !no_colour;
        let operator = io::stdin().is_terminal().then_some(input);
        Console { out, err, operator, terminal, reader_gone: false, colours, json }
    }

    /// Whether the answer is to be JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Prints (a part of) the answer for people, ending its last line.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.write(&format!("{}\n", printable(text)))
    }

    /// Prints a text that ends its last line itself, octet by octet where it goes into a file.
    pub(crate) fn say_whole(&mut self, text: &str) -> Result<(), Failure> {
        if !self.terminal {
            return self.write(text);
        }
        let is_harmless = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
        self.write(&text.chars().filter(is_harmless).collect::<String>())
    }

    /// Prints a line in a colour.
    pub(crate) fn say_in(&mut self, colour: Colour, line: &str) -> Result<(), Failure> {
        let line = printable(line);
        if !self.colours {
            return self.write(&format!("{line}\n"));
        }
        let code = match colour {
            Colour::Red => 31,
            Colour::Green => 32,
            Colour::Yellow => 33,
        };
        self.write(&format!("\x1b[{code}m{line}\x1b[0m\n"))
    }

    /// Prints the answer for programs, an object, and in which schema it is unless it says so itself. JSON escapes control
    /// characters itself.
    pub(crate) fn say_json(&mut self, answer: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(answer).map_err(|error| Failure::Output(error.into()))?;
        self.write(&format!("{}\n", in_schema(line)))
    }

    /// Begins one of several answers: on a terminal in the place of the one before and below `title`, else below a blank
    /// line. JSON needs neither.
    pub(crate) fn begin_block(&mut self, title: &str, is_first: bool) -> Result<(), Failure> {
        match (self.json, self.terminal, is_first) {
            (true, ..) | (false, false, true) => Ok(()),
            (false, false, false) => self.write("\n"),
            (false, true, _) => self.write(&format!("\x1b[H\x1b[2J{}\n\n", printable(title))),
        }
    }

    /// Whether nobody reads the answers any more.
    pub(crate) fn reader_is_gone(&self) -> bool {
        self.reader_gone
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.reader_gone |= write_text(self.out, text)?;
        Ok(())
    }

    /// Prints a remark that is not part of the answer.
    pub(crate) fn remark(&mut self, text: &str) {
        // Nothing better can be done where even remarks cannot be written.
        let _ = write_text(self.err, &format!("{}\n", printable(text)));
    }

    /// Whether somebody can be asked.
    pub(crate) fn can_ask(&self) -> bool {
        self.operator.is_some()
    }

    /// Asks a question; only a clear yes is one.
    pub(crate) fn ask(&mut self, question: &str) -> bool {
        let Some(operator) = &mut self.operator else { return false };
        let _ = write!(self.err, "{} [y/N] ", printable(question)).and_then(|()| self.err.flush());
        let mut answer = String::new();
        let read = operator.read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }

    /// Tells a failure, and gives the exit code.
    pub(crate) fn fail(&mut self, failure: &Failure) -> Exit {
        self.remark(&format!("millrace: {failure}"));
        if let Failure::Refused(error) = failure {
            error.problems().iter().for_each(|problem| self.remark(&problem.to_string()));
        }
        if let Failure::EditRefused { told, .. } = failure {
            told.iter().for_each(|problem| self.remark(problem));
        }
        if self.json && !matches!(failure, Failure::Output(_)) {
            let _ = self.say_json(&failure.to_json());
        }
        failure.exit()
    }
}

/// An object with the member `schema` behind all others; one that has it stays as it is.
fn in_schema(object: String) -> String {
    #[derive(serde::Deserialize)]
    struct Said {
        schema: Option<u32>,
    }
    match (serde_json::from_str::<Said>(&object), object.strip_suffix('}')) {
        (Ok(Said { schema: None }), Some("{")) => format!("{{\"schema\":{}}}", api::SCHEMA),
        (Ok(Said { schema: None }), Some(members)) => format!("{members},\"schema\":{}}}", api::SCHEMA),
        _ => object,
    }
}

/// Writes all of it. `true` where the reader has gone: it has seen enough (`| head`), and the exit code still tells the
/// answer.
fn write_text(to: &mut dyn Write, text: &str) -> Result<bool, Failure> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(true),
        written => written.map(|()| false).map_err(Failure::Output),
    }
}

/// Text without the control characters that could command a terminal; newlines stay.
fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => clean.push(c),
            c if c.is_control() => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Runs `with` on a console whose operator, if any, types `answers`; gives what was printed and remarked.
    pub(crate) fn on_console<T>(
        answers: Option<&str>,
        json: bool,
        with: impl FnOnce(&mut Console) -> T,
    ) -> (T, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut typed = answers.map(str::as_bytes);
        let operator = typed.as_mut().map(|typed| typed as &mut dyn BufRead);
        let mut console = Console {
            out: &mut out,
            err: &mut err,
            operator,
            terminal: false,
            reader_gone: false,
            colours: false,
            json,
        };
        let result = with(&mut console);
        (result, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        for (typed, expected) in [("y\n", true), ("YES\n", true), ("\n", false), ("", false), ("yeah\n", false)] {
            let (answer, _, asked) = on_console(Some(typed), false, |console| console.ask("Apply?"));
            assert_eq!((answer, asked.as_str()), (expected, "Apply? [y/N] "), "{typed:?}");
        }
        assert!(!on_console(None, false, |console| console.ask("Apply?")).0);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let (_, out, err) = on_console(None, false, |console| {
            console.say("a\x1b[2Jb\nc\r").unwrap();
            console.remark("\u{9b}x\u{7}");
        });
        assert_eq!((out.as_str(), err.as_str()), ("a\\u{1b}[2Jb\nc\\r\n", "\\u{9b}x\\u{7}\n"));
    }

    #[test]
    fn every_answer_for_programs_says_its_schema_once() {
        for (said, expected) in [
            ("{}", "{\"schema\":1}"),
            ("{\"a\":{\"schema\":7}}", "{\"a\":{\"schema\":7},\"schema\":1}"),
            ("{\"schema\":1,\"b\":2}", "{\"schema\":1,\"b\":2}"),
        ] {
            assert_eq!(in_schema(said.to_owned()), expected);
        }
    }

    #[test]
    fn colours_surround_the_line_only_where_wanted() {
        let mut out = Vec::new();
        let mut console = Console {
            out: &mut out,
            err: &mut io::sink(),
            operator: None,
            terminal: true,
            reader_gone: false,
            colours: true,
            json: false,
        };
        console.say_in(Colour::Red, "- port a\x1b1").unwrap();
        console.say_whole("\tb\u{9b}2J\n").unwrap();
        assert_eq!(out, "\x1b[31m- port a\\u{1b}1\x1b[0m\n\tb2J\n".as_bytes());
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure_and_a_full_disk_is_one() {
        struct Broken(ErrorKind);
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(matches!(write_text(&mut Broken(ErrorKind::BrokenPipe), "x"), Ok(true)));
        assert!(write_text(&mut Broken(ErrorKind::StorageFull), "x").is_err());
    }
}
