# The explorer as a container; docs/deploy.md says how to build, run and host it.
FROM python:3.11-slim
RUN useradd --create-home --uid 1000 user
WORKDIR /home/user/app

# Empty (--build-arg TORCH_INDEX=) takes torch from PyPI: with CUDA, gigabytes larger.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements.txt .
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-cache-dir --index-url "$TORCH_INDEX" torch torchvision; \
    fi && \
    pip install --no-cache-dir -r requirements.txt

COPY --chown=1000 . .
USER 1000
RUN mkdir /home/user/runs
ENV HOME=/home/user AMBIENT_RUNS=/home/user/runs AMBIENT_PUBLIC=1 PORT=8501
# Sessions run in threads of their own: without this each would keep memory that it has freed.
ENV MALLOC_ARENA_MAX=2
# Megabytes of one file, refused before they are in memory: as AMBIENT_MAX_UPLOAD.
ENV STREAMLIT_SERVER_MAX_UPLOAD_SIZE=50

EXPOSE 8501
HEALTHCHECK --start-period=30s CMD python -c "import os, urllib.request as u; \
u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/_stcore/health')"
# A Space shows the app in a frame of another site: browsers hold its cookies back there, and
# uploads, which ask for one, would be refused.
CMD ["sh", "-c", "exec streamlit run app.py --server.headless=true --server.address=0.0.0.0 \
--server.port=$PORT --browser.serverAddress=localhost \
${SPACE_ID:+--server.enableXsrfProtection=false}"]
