"""What the words of a turn mean, and what to do: for people who were called because a call went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["ok", "warning", "error", "off"]


@dataclass(frozen=True, slots=True)
class StatusWords:
    """A status of a turn.

    Attributes:
        word: For lists; two or three words.
        meaning: What the caller noticed, in a sentence.
    """

    level: Level
    word: str
    meaning: str


@dataclass(frozen=True, slots=True)
class ErrorWords:
    """An error of a turn: what happened, and what to do about it."""

    meaning: str
    advice: str


STATUSES: Final[Mapping[str, StatusWords]] = {
    "OK": StatusWords("ok", "Answered", "The caller got the model's answer."),
    "NO_INPUT": StatusWords("warning", "Nothing said", "There was nothing to answer; the fallback sentence went back."),
    "NO_PROMPT": StatusWords("error", "No prompt", "There was no such prompt; the fallback sentence went back."),
    "TIMEOUT": StatusWords("error", "Too late", "No answer by the deadline; the fallback sentence went back in time."),
    "ERROR": StatusWords("error", "Failed", "There was no answer; the fallback sentence went back."),
    "BUSY": StatusWords("error", "Busy", "The service was full; the fallback sentence went back at once."),
    "RELEASED": StatusWords("warning", "Released", "The service was stopped; the caller went on without an answer."),
    "ABANDONED": StatusWords("off", "Hung up", "The caller hung up before the answer was delivered. Nothing is wrong."),
    "UNDELIVERED": StatusWords("error", "Not delivered", "Asterisk did not take the answer."),
}

_UNKNOWN: Final = StatusWords("warning", "Other", "This version of the pages has no word for this status.")


def status_words(status: str) -> StatusWords:
    """The words for a status; one that is not known is said as it is."""
    return STATUSES.get(status, _UNKNOWN)


_LOOK_AT_THE_PROVIDER: Final = (
    "See the provider's state on the dashboard. A fallback model (FALLBACK_AI_MODEL) steps in."
)
_LOOK_AT_ASTERISK: Final = "See Asterisk's state on the dashboard; `asterisk-ai doctor` finds out what is missing."
_A_BUG: Final = "The log has the trace: please report it with that."

ERRORS: Final[Mapping[str, ErrorWords]] = {
    # -- the call
    "no_input": ErrorWords(
        "The dialplan passed no words.",
        "Look at what fills USER_INPUT before Stasis(): the speech recognition, or Read(). A silent caller is normal.",
    ),
    "unreadable_input": ErrorWords(
        "Asterisk could not hand over the words, most often because their bytes are not UTF-8.",
        "Set the speech recognition to UTF-8, or pass USER_INPUT_URI=${URIENCODE(${USER_INPUT})}.",
    ),
    "too_many_calls": ErrorWords(
        "More calls came than the service takes at a time.",
        "Raise AI_MAX_CALLS if the machine and the provider have room, or add an instance.",
    ),
    "turn_lost": ErrorWords(
        "The channel was without a turn: the service was restarted, or the connection to Asterisk was lost.",
        "If nobody restarted the service, look at the log around this time.",
    ),
    "service_stopping": ErrorWords(
        "The service was being stopped.",
        "Nothing to do. AI_DRAIN_TIMEOUT is how long a stop waits for turns.",
    ),
    "call_error": ErrorWords("The call could not be served.", "The log says why."),
    # -- the prompt
    "prompt_not_found": ErrorWords(
        "The dialplan asked for a prompt that is not published, or there is no default.",
        "Compare AI_PROMPT_NAME in the dialplan with the list of prompts; publish it, or mark one as default.",
    ),
    "prompt_template_invalid": ErrorWords(
        "The prompt's text could not be rendered with this call's variables.",
        "Try the prompt in the playground with the same variables, and mend its template.",
    ),
    "prompt_error": ErrorWords("The prompt could not be used.", "Open the prompt, and look at its text."),
    # -- the turn
    "turn_timeout": ErrorWords(
        "The deadline passed before the answer was ready.",
        "The times below say what took so long. A faster model, a shorter prompt, fewer tools, or a longer deadline "
        "(AI_TIMEOUT, the prompt's, AI_TURN_TIMEOUT) help.",
    ),
    "step_limit": ErrorWords(
        "The model called tools again and again without an answer.",
        "Say in the prompt when it should stop, or raise AI_MAX_STEPS. Look at what the tools answered.",
    ),
    "empty_answer": ErrorWords(
        "The model ended without a word that can be spoken.",
        "Once is chance. If it is often, say in the prompt that it must always answer, or choose another model.",
    ),
    "truncated_answer": ErrorWords(
        "The provider cut the answer off, at its limit of tokens or for its content.",
        "Ask for shorter answers in the prompt, or raise AI_MAX_OUTPUT_TOKENS.",
    ),
    "invalid_output": ErrorWords(
        "The model's output does not match the prompt's output schema.",
        "Describe the fields in the schema, make it simpler, or choose a stronger model.",
    ),
    "agent_failed": ErrorWords("The agent failed for a reason that nobody foresaw.", _A_BUG),
    "internal_error": ErrorWords("The service failed for a reason that nobody foresaw.", _A_BUG),
    # -- the model
    "unknown_model": ErrorWords(
        "The dialplan or the prompt names a model that there is not.",
        "Compare AI_MODEL and the prompt's model with the providers on the dashboard.",
    ),
    "provider_not_configured": ErrorWords(
        "The model's provider has no key.", "Set its key in .env and restart, or choose another model."
    ),
    "provider_unauthorized": ErrorWords(
        "The provider refused the key.", "Check the key, its project, and whether the account is paid."
    ),
    "provider_refused": ErrorWords(
        "The provider refused the request.",
        "The sentence above has its words. Often it is a parameter, a tool's schema, or the model's name.",
    ),
    "provider_rate_limited": ErrorWords(
        "The provider had enough requests from this account.",
        "Ask the provider for a higher limit. A fallback model (FALLBACK_AI_MODEL) steps in meanwhile.",
    ),
    "provider_unavailable": ErrorWords("The provider could not be reached, or was down.", _LOOK_AT_THE_PROVIDER),
    "provider_timeout": ErrorWords("The provider did not answer in time.", _LOOK_AT_THE_PROVIDER),
    "provider_nonsense": ErrorWords("The provider answered with something that cannot be read.", _LOOK_AT_THE_PROVIDER),
    "provider_error": ErrorWords("The provider failed.", _LOOK_AT_THE_PROVIDER),
    "model_error": ErrorWords("The model could not be used.", _LOOK_AT_THE_PROVIDER),
    # -- Asterisk
    "ari_unavailable": ErrorWords("Asterisk could not be reached.", _LOOK_AT_ASTERISK),
    "ari_timeout": ErrorWords("Asterisk did not answer in time.", _LOOK_AT_ASTERISK),
    "ari_unauthorized": ErrorWords(
        "Asterisk refused the name or the password.", "Compare ASTERISK_ARI_USERNAME and its password with ari.conf."
    ),
    "ari_request_failed": ErrorWords(
        "Asterisk refused a request, most often the variables of the answer.",
        "The sentence above has its words; Asterisk's own log says more.",
    ),
    "ari_too_large": ErrorWords(
        "The answer's variables were more than Asterisk takes.", "Ask for shorter answers, or for fewer output fields."
    ),
    "ari_not_found": ErrorWords("The channel was gone.", "The caller hung up, or the dialplan took the channel away."),
    "ari_conflict": ErrorWords("The channel was no longer with the service.", "The dialplan or somebody else took it."),
    "ari_replaced": ErrorWords(
        "Another program took over the ARI application.", "Give each instance an ASTERISK_APP_NAME of its own."
    ),
    "ari_protocol_error": ErrorWords("Asterisk answered with something that cannot be read.", _LOOK_AT_ASTERISK),
    "ari_error": ErrorWords("Something went wrong between the service and Asterisk.", _LOOK_AT_ASTERISK),
    # -- the memory
    "memory_unavailable": ErrorWords(
        "The conversation's memory did not answer.", "See the memory's state on the dashboard."
    ),
    "memory_key_taken": ErrorWords(
        "Something else lies in Redis under the conversation's key.", "Give the service a Redis database of its own."
    ),
}

TOOL_ERRORS: Final[Mapping[str, str]] = {
    "confirmation_needed": "Not carried out: it waits for the caller's yes, which counts in the next two turns.",
    "confirmation_impossible": "Not carried out: it needs the caller's yes in an earlier turn, and this turn stands "
    "alone, without a conversation that is remembered.",
    "tool_interrupted": "Broken off: the turn was over before it answered.",
    "tool_arguments_invalid": "The model's arguments do not match the tool's parameters; it was told so.",
    "tool_timeout": "The tool did not answer in time.",
    "tool_unreachable": "The tool's address could not be reached.",
    "tool_refused": "Tools may not go where it leads, so nothing was sent. TOOLS_ALLOWED_HOSTS opens systems of yours.",
    "tool_not_authorised": "The tool was not called, because its login could not be had. The log says why.",
    "tool_secret_missing": "The tool was not called: a secret that it needs is not stored, or cannot be used.",
    "tool_secret_not_for_server": "The tool was not called: a secret may not be sent to its server.",
    "tool_certificate_invalid": "The tool was not called: its client certificate cannot be used.",
    "tool_login_refused": "The tool was not called: the authorisation server refuses its login.",
    "tool_login_revoked": "The tool was not called: its login was revoked or expired. Log in there again.",
    "tool_token_server_failing": "The tool was not called: the authorisation server is down or slow.",
    "tool_token_answer_invalid": "The tool was not called: what the token address answers is no token.",
    "tool_status": "The tool answered with an HTTP error.",
    "tool_response_too_large": "The tool answered with more than is read.",
    "tool_result_unusable": "The tool answered, but its selection or template does not fit that; the log says why.",
    "tool_down": "The tool failed several times in a row and was left alone for a while; nothing was sent.",
    "tool_busy": "The tool was at its limit of calls; nothing was sent.",
    "tool_not_found": "The model called a tool that there is not.",
    "tool_failed": "The tool failed.",
    "action_late": "It did not fit into the turn's time, or was broken off by a stop of the service.",
    "no_such_extension": "The dialplan has no such extension, so the call went on where it was.",
    "sound_failed": "Asterisk could not play it: is there such a file in the channel's language?",
    "action_failed": "It could not be done over ARI.",
    "internal_error": "The tool failed for a reason that nobody foresaw; the log has the trace.",
}
