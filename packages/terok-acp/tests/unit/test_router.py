"""Properties of the pure router under any sequence of frames of hostile peers."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from terok_acp.protocol.frames import Frame
from terok_acp.router.outputs import Answered, Heard, Output, Posed, Resolved, Send, Serve, Settled
from terok_acp.router.questions import pose
from terok_acp.router.route import route
from terok_acp.router.sessions import bind, cancel, forward, lose_backend, lose_editor
from terok_acp.router.state import MOST_HELD, MOST_OPEN, Peer, Side, State, join

EDITORS = [Peer(Side.EDITOR, number) for number in (1, 2)]
BACKENDS = [Peer(Side.BACKEND, number) for number in (1, 2)]
NAMES = ["a", "b", "c"]
KEYS = {(peer, name): f"key-{peer.number}-{name}" for peer in BACKENDS for name in NAMES[:2]}

ids = st.integers(0, 6) | st.sampled_from(["x", "1", None, 1.5])
FROM_AGENTS = ["session/update", "session/request_permission", "fs/read_text_file", "terminal/create", "_x/y"]
FROM_EDITORS = ["session/prompt", "session/set_mode", "providers/set", "nonsense", "elicitation/create"]
methods = st.sampled_from([*FROM_AGENTS, *FROM_EDITORS, "$/cancel_request"])
params = st.fixed_dictionaries(
    {},
    optional={
        "sessionId": st.sampled_from([*NAMES, *KEYS.values(), "stranger"]) | st.just(5),
        "requestId": ids,
        "options": st.just([{"optionId": "no", "kind": "reject_once"}]),
        "_meta": st.just({"sessionId": "a", "session_id": "b"}),
    },
)
frames = st.one_of(
    st.builds(lambda i, m, p: {"id": i, "method": m, "params": p}, ids, methods, params),
    st.builds(lambda m, p: {"method": m, "params": p}, methods, params),
    st.builds(lambda i: {"id": i, "result": {}}, ids),
    st.builds(lambda i: {"id": i, "error": {"code": 1}}, ids),
)
steps = st.lists(st.tuples(st.sampled_from([*EDITORS, *BACKENDS]), frames), max_size=40)


def made() -> State:
    state = State()
    for peer in (*EDITORS, *BACKENDS):
        join(state, peer)
    for (peer, name), key in KEYS.items():
        bind(state, key, peer, name)
    return state


class Run:
    """Carries outputs out, as a conductor does, and remembers who was sent what."""

    def __init__(self) -> None:
        self.state = made()
        self.sent: dict[Peer, list[Frame]] = {peer: [] for peer in (*EDITORS, *BACKENDS)}
        self.heard: list[tuple[str, Frame]] = []
        self.answers = 0

    def step(self, peer: Peer, frame: Frame) -> None:
        self.carry_out(route(self.state, peer, frame, 100))

    def carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Send(to, frame):
                    self.sent[to].append(frame)
                case Serve(editor, frame, session) if session and frame["method"] == "session/prompt":
                    if "id" in frame:
                        self.carry_out([forward(self.state, editor, frame, session)])
                case Heard(session, frame):
                    self.heard.append((session, frame))
                case Posed(question):
                    for editor in EDITORS:
                        shown = pose(self.state, question, editor, question.frame["params"])
                        self.sent[editor].append(shown)
                case Resolved(to, frame):
                    self.sent[to].append(frame)
                case Answered(editor, frame):
                    self.answers += 1
                    self.sent[editor].append(frame)
                case Settled() | Serve():
                    pass


@given(steps)
@settings(max_examples=300)
def test_no_peer_reaches_a_session_of_another(what: list[tuple[Peer, Frame]]) -> None:
    run = Run()
    for peer, frame in what:
        before = {key: len(got) for key, got in run.sent.items()}
        run.step(peer, frame)
        if peer.side is Side.BACKEND:
            other = next(one for one in BACKENDS if one != peer)
            # No backend makes anything happen at another, whatever it names.
            assert len(run.sent[other]) == before[other]
    for session, frame in run.heard:
        assert frame["params"]["sessionId"] == session.rsplit("-", 1)[1]


@given(steps)
@settings(max_examples=300)
def test_every_question_is_answered_once_with_its_own_id(what: list[tuple[Peer, Frame]]) -> None:
    run = Run()
    posed: list[Any] = []
    for peer, frame in what:
        if peer.side is Side.BACKEND and "id" in frame and "method" in frame:
            posed.append((peer, frame["id"]))
        run.step(peer, frame)
    for key in KEYS.values():
        run.carry_out(cancel(run.state, key))
    for backend in BACKENDS:
        answers = [frame["id"] for frame in run.sent[backend] if "method" not in frame]
        asked = [number for peer, number in posed if peer == backend]
        assert sorted(map(repr, answers)) == sorted(map(repr, asked))
    assert not any(session.questions for session in run.state.sessions.values())


@given(steps)
@settings(max_examples=300)
def test_every_forwarded_prompt_has_one_answer_when_the_backends_are_gone(what: list[tuple[Peer, Frame]]) -> None:
    run = Run()
    for peer, frame in what:
        run.step(peer, frame)
    forwarded = sum(1 for backend in BACKENDS for one in run.sent[backend] if one.get("method") == "session/prompt")
    numbers = [one["id"] for one in run.sent[BACKENDS[0]] if one.get("method") == "session/prompt"]
    assert len(numbers) == len(set(numbers))
    for backend in BACKENDS:
        run.carry_out(lose_backend(run.state, backend, "gone"))
    assert run.answers == forwarded
    for editor in EDITORS:
        lose_editor(run.state, editor)
    assert not run.state.links
    assert not any(session.backend for session in run.state.sessions.values())


def test_a_reply_has_the_type_of_its_request() -> None:
    for number in (7, "7", 7.0, None):
        run = Run()
        prompt = {"id": number, "method": "session/prompt", "params": {"sessionId": "key-1-a"}}
        run.step(EDITORS[0], prompt)
        [sent] = run.sent[BACKENDS[0]]
        assert sent["params"]["sessionId"] == "a"
        run.step(BACKENDS[0], {"id": str(sent["id"]), "result": {}})
        assert run.sent[EDITORS[0]] == []
        run.step(BACKENDS[0], {"id": sent["id"], "result": {}})
        run.step(BACKENDS[0], {"id": sent["id"], "result": {}})
        assert [(type(one["id"]), one["id"]) for one in run.sent[EDITORS[0]]] == [(type(number), number)]


def test_what_is_held_is_bounded() -> None:
    run = Run()
    link = run.state.links[BACKENDS[0]]
    link.naming = 1
    for index in range(3 * MOST_HELD):
        run.step(BACKENDS[0], {"method": "session/update", "params": {"sessionId": f"new-{index % 7}"}})
    assert len(link.held) == MOST_HELD
    released = bind(run.state, "key-new", BACKENDS[0], "new-3")
    assert {output.session for output in released if isinstance(output, Heard)} == {"key-new"}
    link.held_bytes = 0
    route(run.state, BACKENDS[0], {"method": "session/update", "params": {"sessionId": "new-9"}}, 2 << 20)
    assert all(name != "new-9" for name, _, _ in link.held)


def test_open_questions_are_bounded() -> None:
    run = Run()
    for number in range(MOST_OPEN + 10):
        ask = {"id": number, "method": "session/request_permission", "params": {"sessionId": "a"}}
        run.step(BACKENDS[0], ask)
    refused = [one for one in run.sent[BACKENDS[0]] if "error" in one]
    assert len(refused) == 10


def test_a_question_of_a_request_goes_to_its_editor_with_its_own_id() -> None:
    run = Run()
    run.step(EDITORS[1], {"id": "mine", "method": "session/prompt", "params": {"sessionId": "key-1-a"}})
    [sent] = run.sent[BACKENDS[0]]
    form = {"id": 0, "method": "elicitation/create", "params": {"requestId": sent["id"], "mode": "form"}}
    run.step(BACKENDS[0], form)
    assert run.sent[EDITORS[1]][0]["params"]["requestId"] == "mine"
    assert run.sent[EDITORS[0]][0]["params"]["sessionId"] == "key-1-a"
