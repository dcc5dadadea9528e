"""The explorer: a Streamlit app over mixlab. Its pages compute nothing themselves."""
