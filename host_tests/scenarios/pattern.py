# Long messages that sender and receiver can make and check without each other. Used by scenarios and by pytest.
CYCLE = bytes(range(251))


def pattern(size):
    return (CYCLE * (size // 251 + 1))[:size]
