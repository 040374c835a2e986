# docker build -t mathtune . && docker run --rm -v "$PWD/runs:/home/user/runs" mathtune
# runs the quickstart; any other command: docker run --rm mathtune mathtune --help
FROM python:3.11-slim
RUN useradd --create-home --uid 1000 user
COPY --chown=user . /home/user/source
RUN pip install --no-cache-dir -c /home/user/source/constraints.txt '/home/user/source[train]' \
    && rm -r /home/user/source
USER 1000
WORKDIR /home/user
CMD ["mathtune", "run", "quickstart"]
