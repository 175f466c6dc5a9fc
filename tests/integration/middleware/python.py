"""A middleware with GoReplay's client for Python: another path."""

import asyncio

from gor.middleware import AsyncioGor

asyncio.set_event_loop(asyncio.new_event_loop())


def on_request(proxy, message, **kwargs):
    message.http = proxy.set_http_path(message.http, "/python" + proxy.http_path(message.http))
    return message


client = AsyncioGor()
client.on("request", on_request)
client.run()
