"""What decides: the deterministic state machines of the exchange and the rules they apply.

An actor here is a plain object that gets a batch of messages and answers with batches. It knows nothing but messages:
no clock, no chance, no disk, no network, and integers only. Actors never import each other; they meet in messages.
"""
