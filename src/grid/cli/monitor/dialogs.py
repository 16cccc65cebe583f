"""Dialogs: what a command will do, its numbers, and Enter to send it; the list of keys."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from grid.cli.monitor.source import Answer
from grid.core.errors import GridError

Values = Mapping[str, str]


@dataclass(frozen=True)
class FormField:
    """A number or a text that is asked for.

    Args:
        name: As the service names it.
        label: For people, with the unit.
        value: At first.
    """

    name: str
    label: str
    value: str = ""


@dataclass(frozen=True)
class Choice:
    """One thing that a dialog can send.

    Args:
        name: Shown in its list.
        fields: What is asked for.
        describe: One sentence of what will happen; raises `GridError` where the values say nothing.
        send: Sends it.
    """

    name: str
    fields: tuple[FormField, ...]
    describe: Callable[[Values], str]
    send: Callable[[Values], Awaitable[Answer]]


class FormDialog(ModalScreen[Answer | None]):
    """Asks for what a command needs, says what it will do, and sends it on Enter; Escape drops it.

    Args:
        title: Of the dialog.
        choices: Of which one is sent; up and down choose.
        chosen: Number of the first one that is shown.
    """

    DEFAULT_CSS: ClassVar[str] = """
    FormDialog { align: center middle; }
    FormDialog > Vertical {
        width: 76; max-width: 96%; height: auto; max-height: 96%; padding: 1 2; border: round $accent;
        background: $surface; border-title-style: bold; border-subtitle-color: $text-muted;
    }
    FormDialog Static { height: auto; }
    FormDialog .label { color: $text-muted; margin-top: 0; }
    FormDialog Input, FormDialog Input:focus { height: 1; border: none; padding: 0 1; margin-bottom: 1; }
    FormDialog Input:focus { background: $primary-darken-2; }
    FormDialog #choices, FormDialog #sentence { margin-bottom: 1; }
    FormDialog #refusal { color: $error-lighten-2; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "drop", "drop"),
        Binding("up", "choose(-1)", "before", priority=True),
        Binding("down", "choose(1)", "next", priority=True),
        Binding("enter", "send", "send", priority=True),
    ]

    def __init__(self, title: str, choices: Sequence[Choice], chosen: int = 0) -> None:
        super().__init__()
        self._title, self._choices, self._chosen = title, tuple(choices), chosen
        self._kept: dict[int, dict[str, str]] = {}
        self._is_sending = False
        self._told: dict[str, str] | None = None  # values that the sentence, or the refusal, is about

    def compose(self) -> ComposeResult:
        """The parts of the dialog."""
        with Vertical() as box:
            box.border_title = self._title
            box.border_subtitle = "Enter sends · Esc drops" + (" · ↑ ↓ choose" if len(self._choices) > 1 else "")
            if len(self._choices) > 1:
                yield Static(id="choices", markup=False)
            yield Vertical(id="fields")
            yield Static(id="sentence", markup=False)
            yield Static(id="refusal", markup=False)

    async def on_mount(self) -> None:
        """Show the first choice."""
        self.query_one("#fields").styles.height = "auto"
        await self._show()

    @property
    def choice(self) -> Choice:
        """What Enter sends."""
        return self._choices[self._chosen]

    @property
    def values(self) -> dict[str, str]:
        """What was typed, by name."""
        return {str(entry.name): entry.value.strip() for entry in self.query(Input)}

    @property
    def sentence(self) -> str:
        """What Enter will do, in words."""
        return str(self.query_one("#sentence", Static).content)

    @property
    def refusal(self) -> str:
        """Why it cannot be sent; empty where nothing is wrong as far as is known."""
        return str(self.query_one("#refusal", Static).content)

    async def action_choose(self, by: int) -> None:
        """Choose another one."""
        if len(self._choices) > 1:
            self._kept[self._chosen] = self.values
            self._chosen = (self._chosen + by) % len(self._choices)
            await self._show()

    def action_drop(self) -> None:
        """Close without sending."""
        self.dismiss(None)

    async def action_send(self) -> None:
        """Send it; where it is refused, say why and stay."""
        if self._is_sending:
            return
        self._is_sending = True
        self._told = self.values
        try:
            self.choice.describe(self._told)
            answer = await self.choice.send(self._told)
        except GridError as error:
            self._refuse(error)
        else:
            self.dismiss(answer)
        finally:
            self._is_sending = False

    @on(Input.Changed)
    def _typed(self) -> None:
        if self.values != self._told:  # news of what was sent meanwhile would hide why it was refused
            self._describe()

    async def _show(self) -> None:
        """Show the fields of what is chosen."""
        if len(self._choices) > 1:
            names = [f"[{one.name}]" if at == self._chosen else f" {one.name} " for at, one in enumerate(self._choices)]
            self.query_one("#choices", Static).update(" ".join(names))
        box, kept = self.query_one("#fields"), self._kept.get(self._chosen, {})
        await box.remove_children()
        entries: list[Input] = []
        for field in self.choice.fields:
            entry = Input(kept.get(field.name, field.value), name=field.name, select_on_focus=False)
            await box.mount(Static(field.label, classes="label", markup=False), entry)
            entries.append(entry)
        if entries:
            entries[0].focus()
        self._describe()

    def _describe(self) -> None:
        self._told = self.values
        try:
            sentence = self.choice.describe(self._told)
        except GridError as error:
            self.query_one("#sentence", Static).update("")
            self._refuse(error)
        else:
            self.query_one("#sentence", Static).update(sentence)
            self.query_one("#refusal", Static).update("")

    def _refuse(self, error: GridError) -> None:
        title = getattr(error, "problem_title", None)
        text = str(error)
        self.query_one("#refusal", Static).update(f"! {title}: {text}" if title and title not in text else f"! {text}")


class HelpDialog(ModalScreen[None]):
    """The keys and the signs.

    Args:
        rows: A key, and what it does.
        signs: A sign of the picture or the lists, and what it means.
    """

    DEFAULT_CSS: ClassVar[str] = """
    HelpDialog { align: center middle; }
    HelpDialog > Static { width: 98; max-width: 96%; height: auto; padding: 1 2; border: round $accent;
        background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter,space", "close", "close")]

    def __init__(self, rows: Sequence[tuple[str, str]], signs: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._rows, self._signs = rows, signs

    def compose(self) -> ComposeResult:
        """The text."""
        lines = [f"{key:<12}{text}" for key, text in self._rows]
        lines += ["", *(f"{sign:<12}{text}" for sign, text in self._signs)]
        box = Static("\n".join(lines), id="help", markup=False)
        box.border_title, box.border_subtitle = "keys", "Esc closes"
        yield box

    def action_close(self) -> None:
        """Close it."""
        self.dismiss(None)
