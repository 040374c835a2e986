"""Solve questions in waves of samples, for one question, a file of them, and a server.

settings   what a question is solved with
waves      one question: sample a wave, cluster, judge, and stop when the lead is sure
solved     its clusters and the pick
models     the generator and the judge, as awaitable calls; opened makes them of the settings:
           continuous (one decode loop), batched (any other engine), or remote (a server)
request    a client's body, read
reply      what a client gets, in OpenAI's shapes
app        the endpoints, with their limits
page       the page to ask from
counts     the numbers of /metrics
command    the server's process: start, signals, end
ask        a question to a server that runs already
"""
