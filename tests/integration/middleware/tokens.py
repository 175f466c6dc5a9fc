"""A middleware with GoReplay's client for Python: recorded tokens become those that the target gives."""

import asyncio

from gor.middleware import AsyncioGor

asyncio.set_event_loop(asyncio.new_event_loop())

tokens = {}


def on_replay(proxy, message, **kwargs):
    recorded = proxy.http_header(kwargs["response"].http, "X-Set-Token")
    replayed = proxy.http_header(message.http, "X-Set-Token")
    if recorded and replayed:
        tokens[recorded["value"]] = replayed["value"]
    return message


def on_response(proxy, message, **kwargs):
    proxy.on("replay", on_replay, idx=message.id, response=message)
    return message


def on_request(proxy, message, **kwargs):
    field = proxy.http_header(message.http, "Auth-Token")
    if field and field["value"] in tokens:
        message.http = proxy.set_http_header(message.http, "Auth-Token", tokens[field["value"]])
    proxy.on("response", on_response, idx=message.id)
    return message


client = AsyncioGor()
client.on("request", on_request)
client.run()
