//! The living view: the day as it goes by, in a terminal.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use forecall_sim::{INTERNET_QUEUE, INTERVAL};
use forecall_types::{ContactChannel, EventTime, NoticeStage};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Bar, BarChart, BarGroup, Block, Gauge, Paragraph, Row, Table, Wrap};
use ratatui::{DefaultTerminal, Frame};

use crate::demo::board::Board;
use crate::demo::lines;

/// Ten pictures a second are as many as an eye follows in a table.
const FRAME: Duration = Duration::from_millis(100);
/// Half hours shown.
const INTERVALS: u32 = 12;

/// The terminal, taken over until it is dropped.
pub(crate) struct View {
    terminal: DefaultTerminal,
    drawn: Option<Instant>,
}

impl View {
    pub(crate) fn open() -> anyhow::Result<Self> {
        // Also gives the terminal back when the program panics.
        Ok(Self {
            terminal: ratatui::try_init()?,
            drawn: None,
        })
    }

    /// Draws, if it is time to. `false`: the person wants to leave.
    pub(crate) fn draw(&mut self, board: &Board) -> anyhow::Result<bool> {
        // A terminal in raw mode hands Ctrl-C over as a key, not as a signal.
        while event::poll(Duration::ZERO)? {
            if let Event::Key(key) = event::read()?
                && key.kind == KeyEventKind::Press
            {
                let ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if ctrl_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                    return Ok(false);
                }
            }
        }
        if self.drawn.is_none_or(|at| at.elapsed() >= FRAME) {
            self.terminal.draw(|frame| picture(frame, board))?;
            self.drawn = Some(Instant::now());
        }
        Ok(true)
    }

    /// Whether a picture is due: the figures for it needn't be worked out more often.
    pub(crate) fn is_due(&self) -> bool {
        self.drawn.is_none_or(|at| at.elapsed() >= FRAME)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = ratatui::try_restore();
    }
}

/// The whole picture.
pub(crate) fn picture(frame: &mut Frame<'_>, board: &Board) {
    let [top, middle, notices, bottom] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(18),
        Constraint::Length(10),
        Constraint::Min(4),
    ])
    .areas(frame.area());
    progress(frame, top, board);
    let [regions, centre, calls] = Layout::horizontal([
        Constraint::Length(26),
        Constraint::Min(40),
        Constraint::Length(44),
    ])
    .areas(middle);
    health(frame, regions, board);
    incident(frame, centre, board);
    calls_chart(frame, calls, board);
    told(frame, notices, board);
    log(frame, bottom, board);
}

fn titled(title: &str) -> Block<'_> {
    Block::bordered().title(title)
}

fn progress(frame: &mut Frame<'_>, area: Rect, board: &Board) {
    let day = f64::from(board.hours.max(1)) * 3_600.0;
    let ratio = (board.now.seconds_from(board.start) / day).clamp(0.0, 1.0);
    let clock = if board.now < board.start {
        "learning what is ordinary …".to_owned()
    } else {
        lines::clock(board.now)
    };
    let served = board
        .served
        .map_or_else(String::new, |address| format!(" · http://{address}/metrics"));
    let title = format!(
        " forecall demo · {} records{served} · q or Ctrl-C leaves ",
        board.records
    );
    let gauge = Gauge::default()
        .block(Block::bordered().title(title))
        .gauge_style(Style::new().fg(Color::Cyan))
        .ratio(ratio)
        .label(clock);
    frame.render_widget(gauge, area);
}

fn health(frame: &mut Frame<'_>, area: Rect, board: &Board) {
    let rows = board.levels.iter().map(|(city, level)| {
        let open = board.stories_of(city.code).find(|s| s.newest.state.is_open());
        let (mark, colour) = match open {
            Some(story) => (story.newest.state.as_str(), Color::Red),
            None if *level > 0.1 => ("strained", Color::Yellow),
            None => ("well", Color::Green),
        };
        Row::new([city.en.to_owned(), mark.to_owned()]).style(Style::new().fg(colour))
    });
    let table = Table::new(rows, [Constraint::Length(12), Constraint::Min(9)]).block(titled(" Cities "));
    frame.render_widget(table, area);
}

fn incident(frame: &mut Frame<'_>, area: Rect, board: &Board) {
    let leads = board.leads;
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut text = vec![
        Line::styled(
            format!(
                "alert lead {} · notice lead {} · told before contact {}",
                lines::minutes(leads.alert),
                lines::minutes(leads.notice),
                lines::percent(leads.told_before)
            ),
            bold,
        ),
        Line::raw(format!(
            "affected: {} told, {} called ({} of them told before)",
            leads.told,
            leads.called,
            lines::percent(leads.told_before_of_callers)
        )),
        Line::raw(""),
    ];
    if let Some(story) = board.current() {
        let i = &story.newest;
        text.push(Line::styled(
            format!(
                "{} · {} · P {:.2} · {}",
                i.state.as_str(),
                lines::scope(i),
                i.probability.get(),
                i.severity.as_str()
            ),
            bold,
        ));
        let time = |at: Option<EventTime>| at.map_or_else(|| "–".to_owned(), lines::clock_short);
        text.push(Line::raw(format!(
            "opened {} · onset expected {} · observed {} · end promised {} · over {}",
            lines::clock_short(i.opened_at),
            time(i.onset_predicted),
            time(i.onset_observed),
            time(i.eta),
            time(i.resolved_at)
        )));
        text.push(Line::raw(i.reason.clone()));
        for e in i.evidence.iter().take(4) {
            text.push(Line::raw(format!(
                "  {} {:.2} (expected {:.2}) score {:.1}",
                e.series.metric,
                e.observed,
                e.expected,
                e.score.get()
            )));
        }
    } else {
        text.push(Line::raw("no incident so far"));
    }
    let paragraph = Paragraph::new(text)
        .wrap(Wrap { trim: false })
        .block(titled(" Incident "));
    frame.render_widget(paragraph, area);
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "calls in half an hour, not negative and far below 2^53"
)]
fn whole(calls: f64) -> u64 {
    calls.max(0.0).round() as u64
}

/// For each half hour: what came, and what was forecast without and with the notices.
fn calls_chart(frame: &mut Frame<'_>, area: Rect, board: &Board) {
    let [chart, agents] = Layout::vertical([Constraint::Min(8), Constraint::Length(3)]).areas(area);
    let newest = board.now.floor(INTERVAL).plus(INTERVAL * 2);
    let first = newest.minus(INTERVAL * (INTERVALS - 1));
    let forecasts: BTreeMap<EventTime, _> = board
        .forecasts
        .iter()
        .filter(|((queue, at), _)| queue.as_str() == INTERNET_QUEUE && *at >= first)
        .map(|((_, at), f)| (*at, f))
        .collect();
    let mut groups = Vec::new();
    for place in 0..INTERVALS {
        let at = first.plus(INTERVAL * place);
        let actual = board.arrivals.get(&(INTERNET_QUEUE, at)).copied().unwrap_or(0);
        let (without, with) = forecasts.get(&at).map_or((0, 0), |f| {
            (
                whole(f.without_notice.arrivals.mean),
                whole(f.with_notice.arrivals.mean),
            )
        });
        let bar = |value: u64, colour| {
            Bar::default()
                .value(value)
                .text_value("")
                .style(Style::new().fg(colour))
        };
        let bars = [
            bar(actual, Color::White),
            bar(without, Color::Red),
            bar(with, Color::Green),
        ];
        groups.push(BarGroup::default().bars(&bars));
    }
    let mut widget = BarChart::default()
        .bar_width(1)
        .bar_gap(0)
        .group_gap(0)
        .block(titled(" Calls: came, without, with notice "));
    for group in groups {
        widget = widget.data(group);
    }
    frame.render_widget(widget, chart);
    let text = forecasts.get(&board.now.floor(INTERVAL)).map_or_else(
        || "no forecast yet".to_owned(),
        |f| {
            format!(
                "{} without, {} with notice · {} calls less",
                f.without_notice.staffing.scheduled,
                f.with_notice.staffing.scheduled,
                rounded(f.avoided[1])
            )
        },
    );
    frame.render_widget(Paragraph::new(text).block(titled(" Agents needed now ")), agents);
}

/// Rounded to a whole number, without the sign of a negative zero.
fn rounded(value: f64) -> String {
    format!("{:.0}", value.round() + 0.0)
}

fn told(frame: &mut Frame<'_>, area: Rect, board: &Board) {
    let [counts, words] = Layout::horizontal([Constraint::Length(36), Constraint::Min(30)]).areas(area);
    let rows = NoticeStage::ALL.into_iter().filter_map(|stage| {
        let of = |channel| board.accepted.get(&(stage, channel)).copied().unwrap_or(0);
        let (sms, email) = (of(ContactChannel::Sms), of(ContactChannel::Email));
        (sms + email > 0).then(|| Row::new([stage.as_str().to_owned(), sms.to_string(), email.to_string()]))
    });
    let widths = [
        Constraint::Length(14),
        Constraint::Length(9),
        Constraint::Length(9),
    ];
    let table = Table::new(rows, widths)
        .header(Row::new(["messages", "sms", "email"]))
        .block(titled(" Notices "));
    frame.render_widget(table, counts);
    let latest = board.latest_notice.as_ref().and_then(|id| board.notices.get(id));
    let text: Vec<Line<'_>> =
        latest.map_or_else(Vec::new, |n| lines::words(n).into_iter().map(Line::raw).collect());
    let paragraph = Paragraph::new(text)
        .wrap(Wrap { trim: true })
        .block(titled(" Latest text "));
    frame.render_widget(paragraph, words);
}

fn log(frame: &mut Frame<'_>, area: Rect, board: &Board) {
    let room = usize::from(area.height.saturating_sub(2));
    let skip = board.lines.len().saturating_sub(room);
    let text: Vec<Line<'_>> = board
        .lines
        .iter()
        .skip(skip)
        .map(|l| Line::raw(l.as_str()))
        .collect();
    frame.render_widget(Paragraph::new(text).block(titled(" Events ")), area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    #[test]
    fn it_can_be_drawn_before_anything_has_happened_and_in_any_size() {
        for (width, height) in [(140, 44), (80, 24), (20, 5), (1, 1)] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            let mut board = Board::new(24);
            board.say("hello".to_owned());
            terminal.draw(|frame| picture(frame, &board)).unwrap();
            let shown = terminal.backend().to_string();
            assert_eq!(
                shown.contains("no incident so far"),
                width >= 80,
                "{width}x{height}"
            );
        }
    }
}
