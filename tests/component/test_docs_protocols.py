# SPDX-License-Identifier: LGPL-2.1-or-later
"""The man pages say of the protocols what the schemas say."""

import json
import re

from documentation import definition, emphasized, page, read, sections, terms


def members(schema, holder):
    """The names that an object of the schema has, those of structures below it included."""
    found = set()
    for member in holder.get("members", []) + schema["structures"].get(holder.get("structure"), []):
        found |= {member["name"]} | members(schema, member)
    return found


def test_the_agents_protocol_is_in_its_man_page_and_the_reverse():
    schema = json.loads(read("protocol", "schema.json"))
    text = sections(page("ballast-protocol.7"))
    assert terms(text["COMMANDS"]) == [command["name"] for command in schema["commands"]]
    assert terms(text["ERRORS"]) == [error["class"] for error in schema["errors"]]
    assert terms(text["LIMITS"]) == [f"{limit['name']}={limit['value']}" for limit in schema["limits"]]
    assert schema["channel"] in page("ballast-protocol.7")


def test_arguments_and_results_of_the_agents_protocol_are_in_its_man_page():
    schema = json.loads(read("protocol", "schema.json"))
    text = sections(page("ballast-protocol.7"))["COMMANDS"]
    everywhere = set()
    for command in schema["commands"]:
        said = emphasized(definition(text, command["name"]))
        arguments = {argument["name"] for argument in command["arguments"]}
        # guest-sync refers to the one before it.
        assert command["name"] == "guest-sync" or arguments <= said, command["name"]
        everywhere |= members(schema, command["returns"])
    assert everywhere <= emphasized(text)


def test_commands_and_errors_about_vfs_are_in_the_man_page_and_the_reverse():
    schema = json.loads(read("protocol", "vf-schema.json"))
    text = sections(page("ballast-vf.7"))["SOCKET COMMANDS"]
    names = [command["name"] for command in schema["commands"]]
    classes = [error["class"] for error in schema["errors"]]
    assert terms(text) == names + classes
    for command in schema["commands"]:
        arguments = {argument["name"] for argument in command["arguments"]}
        arguments |= {member["name"] for member in schema["structures"].get(command.get("arguments-structure"), [])}
        assert arguments <= emphasized(definition(text, command["name"])), command["name"]
    for member in schema["structures"]["port-info"]:
        assert member["name"] in emphasized(text), member["name"]


def test_metadata_and_states_of_vfs_are_in_the_man_page_and_the_reverse():
    schema = json.loads(read("protocol", "vf-schema.json"))
    text = sections(page("ballast-vf.7"))
    names = {member["name"] for member in schema["structures"]["request"]} - {"domain", "port"} | {"id", "required"}
    assert set(terms(text["METADATA"])) == names
    in_code = re.findall(r'\{"([a-z]+)", +set_', read("host-hook", "vf-request-xml.c"))
    assert set(in_code) == names
    state = next(member for member in schema["structures"]["port-info"] if member["name"] == "state")
    assert terms(text["STATES OF A PORT"]) == state["values"]
