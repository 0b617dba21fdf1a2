"""Python's openai and anthropic SDKs against the real program: AHA_URL=... AHA_KEY=... python3 sdk_test.py"""

import json
import os
import sys
import traceback

import anthropic
import openai

URL, KEY = os.environ["AHA_URL"], os.environ["AHA_KEY"]
MODEL = "aha-countdown"
MESSAGES = [{"role": "user", "content": "Use 9, 7 and 8 to make 10"}]
SCHEMA = {"type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}}, "required": ["city"], "additionalProperties": False}
client = openai.OpenAI(base_url=URL + "/v1", api_key=KEY)
claude = anthropic.Anthropic(base_url=URL, api_key=KEY)


def chat_whole_and_streamed_are_one_answer():
    whole = client.chat.completions.create(model=MODEL, messages=MESSAGES, seed=5)
    message = whole.choices[0].message
    assert message.reasoning_content and message.content
    with client.chat.completions.stream(model=MODEL, messages=MESSAGES, seed=5, stream_options={"include_usage": True}) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert final.choices[0].message.content == message.content
    assert final.choices[0].message.role == "assistant"
    assert final.usage.completion_tokens == whole.usage.completion_tokens
    assert final.usage.completion_tokens_details.reasoning_tokens > 0


def tools_are_accumulated():
    tools = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA, "strict": True}}]
    with client.chat.completions.stream(model=MODEL, messages=MESSAGES, seed=1, tools=tools, tool_choice="required") as stream:
        for _ in stream:
            pass
        call = stream.get_final_completion().choices[0].message.tool_calls[0]
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments)["city"] in ("Oslo", "Rome")


def errors_are_the_sdks_classes():
    for wrong, kind in [({"model": "nobody"}, openai.NotFoundError), ({"temperature": 9}, openai.BadRequestError)]:
        try:
            client.chat.completions.create(**{"model": MODEL, "messages": MESSAGES, **wrong})
            raise AssertionError(f"{wrong} was taken")
        except kind:
            pass
    try:
        openai.OpenAI(base_url=URL + "/v1", api_key="wrong").models.list()
        raise AssertionError("a wrong key was taken")
    except openai.AuthenticationError:
        pass


def deepseeks_fields():
    plain = client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=0, extra_body={"thinking": {"type": "disabled"}})
    assert not getattr(plain.choices[0].message, "reasoning_content", None)
    thought = "Try 8-7=1: 1+9=10 yes"
    beginning = [*MESSAGES, {"role": "assistant", "content": "", "reasoning_content": thought, "prefix": True}]
    on = client.chat.completions.create(model=MODEL, messages=beginning, temperature=0)
    assert on.choices[0].message.content
    usage = on.usage.model_dump()
    assert usage["prompt_cache_hit_tokens"] + usage["prompt_cache_miss_tokens"] == usage["prompt_tokens"]


def responses():
    first = client.responses.create(model=MODEL, input="Use 9, 7 and 8 to make 10", temperature=0)
    assert first.status == "completed" and first.output_text
    with client.responses.stream(model=MODEL, input="Use 9, 7 and 6 to make 10", temperature=0, previous_response_id=first.id) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert "response.reasoning_text.delta" in kinds and kinds[-1] == "response.completed"
    assert final.output_text


def claude_messages():
    asked = {"model": "claude-opus-4", "max_tokens": 400, "messages": MESSAGES, "extra_body": {"temperature": 0}}
    whole = claude.messages.create(**asked)
    assert [block.type for block in whole.content] == ["thinking", "text"]
    with claude.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole.content[1].text
    assert final.stop_reason == "end_turn" and final.usage.output_tokens == whole.usage.output_tokens
    assert claude.messages.count_tokens(model="claude-opus-4", messages=MESSAGES).input_tokens > 0


def claude_thinking_and_tools():
    tools = [{"name": "weather", "input_schema": SCHEMA}]
    asked = {"model": MODEL, "max_tokens": 900, "messages": MESSAGES, "tools": tools, "tool_choice": {"type": "any"}, "thinking": {"type": "enabled", "budget_tokens": 1024}, "extra_body": {"seed": 5}}
    with claude.messages.stream(**asked) as stream:
        thought = "".join(event.thinking for event in stream if event.type == "thinking")
        final = stream.get_final_message()
    assert final.stop_reason == "tool_use" and final.content[-1].input["city"] in ("Oslo", "Rome")
    assert final.content[0].type == "thinking" and final.content[0].thinking == thought and final.content[0].signature
    whole = claude.messages.create(**asked)
    assert [block.type for block in whole.content] == [block.type for block in final.content]
    assert whole.content[-1].input == final.content[-1].input and whole.usage.output_tokens == final.usage.output_tokens
    result = {"type": "tool_result", "tool_use_id": whole.content[-1].id, "content": "rain"}
    answer = [*MESSAGES, {"role": "assistant", "content": whole.content}, {"role": "user", "content": [result]}]
    assert claude.messages.create(model=MODEL, max_tokens=50, tools=tools, messages=answer).stop_reason
    for wrong, kind in [({"model": "nobody"}, anthropic.NotFoundError), ({"max_tokens": 0}, anthropic.BadRequestError)]:
        try:
            claude.messages.create(**{**asked, **wrong})
            raise AssertionError(f"{wrong} was taken")
        except kind as error:
            assert error.body["request_id"] == error.request_id


failed = 0
for test in [chat_whole_and_streamed_are_one_answer, tools_are_accumulated, errors_are_the_sdks_classes, deepseeks_fields, responses, claude_messages, claude_thinking_and_tools]:
    try:
        test()
        print("ok   ", test.__name__)
    except Exception:
        failed += 1
        print("FAIL ", test.__name__)
        traceback.print_exc(file=sys.stdout)
sys.exit(1 if failed else 0)
