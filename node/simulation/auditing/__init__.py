"""The auditor's books: plain Python kept from what the journal and the events say, held against what the node does."""
