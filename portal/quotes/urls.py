"""The addresses that customers see."""

from django.urls import path

from portal.quotes import public

app_name = "quotes"
urlpatterns = [
    path("", public.ask, name="request"),
    path("received/<str:token>/", public.received, name="received"),
    path("answer/<str:token>/", public.answer, name="answer"),
]
