"""The runtime: sockets, clocks, threads and the journal around the pure session core.

wire, stream, network   bytes and connections            host, clock    loop and time
acceptor, initiator     how connections find sessions    handlers, runners, application
loop, resender          one session at work              session, blocking   what people hold
gate, store             the journal, both ways           engine         all of it together
"""
