"""What a person asks for by name: put together from the other rooms, which do not know it."""
