"""Creates for which no channel has room, held until one has.

tables.py       what waits, with its sealed body
statements.py   into the queue, out of it, back into it, and in which order
wait.py         how long a caller lets a create wait: header, token, tenant
enter.py        what a submit puts into it
order.py        who is next, and on which channel
send.py         the worker's turn: ends what waited too long, sends what has room
end.py          a wait that ends without Kling: cancelled, too long, refused
place.py        what a tenant is told of its place
read.py         how much waits, for operators
"""
